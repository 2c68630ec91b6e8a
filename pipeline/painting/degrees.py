"""Corruptions of every degree, from none to all, that a network learns to undo in one step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.painting.lesions import DARKEST, RADIUS_MM
from pipeline.painting.neighbours import Neighbours
from pipeline.painting.shapes import NoiseFields, blob, soft_mask

NOTHING = 1e-3  # masks below it are 0
CLEAN = 0.1  # share of the slices that stay as they are
CLUSTERS = 4  # ranges of the intensity, each with a shift of its own
SHIFT = 0.4  # the largest shift of an intensity


class Corrupted(NamedTuple):
    """image: [H, W] in [0, 1]. mask: [H, W] in [0, 1]. degree: in [0, 1], the largest `α m` of the slice."""

    image: np.ndarray
    mask: np.ndarray
    degree: float


class GradualCorruption:
    """Corrupts a slice inside a random smooth mask m by a random degree α.

    `x̃ = (1 − α m) x + α m (x_f + s(x))` with x_f a slice of any place of another scan whose mean in the brain is made
    that of x, and s a shift of the intensity, one for each of four random ranges of x. Where m is 0, x̃ is x; one slice
    of ten has α = 0.

    Args:
        neighbours: other slices of the training set.
        size: height and width of a slice, in pixels.
        spacing_mm: size of a pixel in the plane, in mm.

    Source: Naval Marimont, Siomos, Tarroni. DISYRE. MIDL (2023), and its second version (2024). Shapes of the masks are
    those of `painted_lesions`.
    """

    def __init__(self, neighbours: Neighbours, size: int, spacing_mm: float) -> None:
        self.neighbours = neighbours
        self.size = size
        self.radius = tuple(limit / spacing_mm for limit in RADIUS_MM)
        self.texture = NoiseFields(size, (1.5, 3.0, 6.0))

    def __call__(self, rng: np.random.Generator, image: np.ndarray, brain: np.ndarray) -> Corrupted:
        """Corrupt a slice `image` [H, W] in [0, 1] with its `brain` [H, W] bool; all draws come from `rng`."""
        places = np.argwhere(brain)
        if not len(places) or rng.random() < CLEAN:
            return Corrupted(image, np.zeros_like(image), 0.0)
        mask = self._mask(rng, tuple(rng.choice(places))) * brain
        weight = (rng.random() * mask).astype(np.float32)
        other = self.neighbours.any_place(rng)
        level = other.image[other.brain].mean() if other.brain.any() else 1.0
        foreign = other.image * image[brain].mean() / max(level, DARKEST)
        painted = np.clip(foreign + self._shift(rng, image, brain), DARKEST, 1)
        return Corrupted(image + weight * (painted - image), mask, float(weight.max()))

    def _mask(self, rng: np.random.Generator, place: tuple[int, int]) -> np.ndarray:
        low, high = self.radius
        radius = rng.uniform(low, high)
        mask = soft_mask(rng, blob(rng, self.size, place, radius, self.texture.draw(rng, nearest=radius / 3)))
        return np.where(mask > NOTHING, mask, 0)

    def _shift(self, rng: np.random.Generator, image: np.ndarray, brain: np.ndarray) -> np.ndarray:
        limits = np.quantile(image[brain], np.sort(rng.random(CLUSTERS - 1)))
        return rng.uniform(-SHIFT, SHIFT, CLUSTERS)[np.searchsorted(limits, image)]
