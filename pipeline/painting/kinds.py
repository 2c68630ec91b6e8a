"""What a painted lesion looks like: one function a kind, `(rng, canvas) -> image`.

Intensities are those of the prepared data: [0, 1], with the median of a FLAIR brain near 0.4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import expit


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


KINDS: dict[str, Callable[[np.random.Generator, Canvas], np.ndarray]] = {
    "bright": bright,
    "shifted": shifted,
    "with_core": with_core,
    "smeared": smeared,
    "foreign": foreign,
    "dark": dark,
}
SHARES = {"bright": 0.40, "shifted": 0.20, "with_core": 0.20, "smeared": 0.10, "foreign": 0.07, "dark": 0.03}
