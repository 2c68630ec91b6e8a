"""What a painted lesion looks like: one function a kind, `(rng, canvas) -> image`.

Intensities are those of the prepared data: [0, 1], with the median of a FLAIR brain near 0.4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.special import expit

from pipeline.painting.poisson import seamless


class Canvas(NamedTuple):
    """A slice and the place of a lesion in it, all [H, W].

    image: in [0, 1]. mask: of the lesion, soft, in [0, 1]. depth: below the lesion's border, in pixels. texture: a
    smooth field of standard deviation ≤ 1. foreign: a slice of another place.
    """

    image: np.ndarray
    mask: np.ndarray
    depth: np.ndarray
    texture: np.ndarray
    foreign: np.ndarray


def _towards(canvas: Canvas, target: np.ndarray | float, share: float) -> np.ndarray:
    return canvas.image + share * canvas.mask * (target - canvas.image)


def _bright_level(rng: np.random.Generator) -> float:
    return 0.4 + 0.6 * rng.beta(1.6, 1.8)


def bright(rng: np.random.Generator, canvas: Canvas) -> np.ndarray:
    """Hyperintense, with a texture of its own, more or less opaque."""
    target = _bright_level(rng) + rng.uniform(0.02, 0.12) * canvas.texture
    return _towards(canvas, target, rng.uniform(0.45, 1))


def shifted(rng: np.random.Generator, canvas: Canvas) -> np.ndarray:
    """Brighter, seldom darker, than the tissue, whose own texture stays."""
    amount = rng.uniform(0.03, 0.4) if rng.random() < 0.88 else -rng.uniform(0.05, 0.25)
    return canvas.image + amount * canvas.mask * (1 + 0.4 * canvas.texture)


def with_core(rng: np.random.Generator, canvas: Canvas) -> np.ndarray:
    """A bright rim round a core that is dark or like grey matter."""
    rim = bright(rng, canvas)
    inside = canvas.depth - canvas.depth.max() * rng.uniform(0.1, 0.6) + rng.uniform(0, 2) * canvas.texture
    core = rng.uniform(0.6, 1) * canvas.mask * expit(inside / rng.uniform(0.3, 1.5))
    return rim + core * (rng.uniform(0.02, 0.55) + 0.05 * canvas.texture - rim)


def smeared(rng: np.random.Generator, canvas: Canvas) -> np.ndarray:
    """Brighter tissue in which grey and white matter can no longer be told apart."""
    blurred = gaussian_filter(canvas.image, rng.uniform(2, 4))
    return _towards(canvas, blurred, rng.uniform(0.45, 1)) + rng.uniform(0.05, 0.35) * canvas.mask


def foreign(rng: np.random.Generator, canvas: Canvas) -> np.ndarray:
    """Tissue from another place of another scan, brightened."""
    return _towards(canvas, canvas.foreign + rng.uniform(0, 0.3), rng.uniform(0.45, 1))


def dark(rng: np.random.Generator, canvas: Canvas) -> np.ndarray:
    """A dark cavity."""
    return _towards(canvas, rng.uniform(0.02, 0.25) + 0.03 * canvas.texture, rng.uniform(0.45, 1))


def blended(rng: np.random.Generator, canvas: Canvas) -> np.ndarray:
    """Tissue from another place of another scan, without a seam: its gradients, the tissue's border."""
    inside = canvas.mask > 0.5
    return _towards(canvas, seamless(canvas.image, canvas.foreign, inside), rng.uniform(0.6, 1))


def displaced(rng: np.random.Generator, canvas: Canvas) -> np.ndarray:
    """Tissue that is drawn together, or pushed apart, about the middle of the mask."""
    places = np.indices(canvas.image.shape).astype(float)
    centre = (places * canvas.mask).sum((1, 2), keepdims=True) / max(canvas.mask.sum(), 1e-9)
    pull = rng.choice([-1, 1]) * rng.uniform(0.3, 0.9)
    return map_coordinates(canvas.image, places + pull * canvas.mask * (places - centre), order=1, mode="nearest")


def plateau(rng: np.random.Generator, canvas: Canvas) -> np.ndarray:
    """At the level of the brightest tissue of the slice, with half of its own texture."""
    tissue = canvas.image[canvas.image > 0]
    level = np.quantile(tissue, rng.uniform(0.85, 0.99)) if len(tissue) else 0.4
    return _towards(canvas, level + 0.5 * (canvas.image - gaussian_filter(canvas.image, 2)), rng.uniform(0.6, 1))


def gained(rng: np.random.Generator, canvas: Canvas) -> np.ndarray:
    """Brighter by a factor, seldom turned over: what is dark is bright, what is bright dark."""
    target = rng.uniform(1.2, 1.9) * canvas.image if rng.random() < 0.8 else rng.uniform(0.7, 1) - canvas.image
    return _towards(canvas, target, rng.uniform(0.6, 1))


KINDS: dict[str, Callable[[np.random.Generator, Canvas], np.ndarray]] = {
    "bright": bright,
    "shifted": shifted,
    "with_core": with_core,
    "smeared": smeared,
    "foreign": foreign,
    "dark": dark,
    "blended": blended,
    "displaced": displaced,
    "plateau": plateau,
    "gained": gained,
}
# of `painted_lesions`; the other kinds are those of `many_tasks`, or held out to judge a training by
SHARES = {"bright": 0.40, "shifted": 0.20, "with_core": 0.20, "smeared": 0.10, "foreign": 0.07, "dark": 0.03}
