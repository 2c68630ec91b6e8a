"""Slices of other scans, for patches of foreign tissue."""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
from torch.utils.data import Subset

from pipeline.data import SliceDataset


class Slice(NamedTuple):
    """A slice [H, W] in [0, 1] and its brain mask."""

    image: np.ndarray
    brain: np.ndarray


class Neighbours:
    """Slices of a training set, by their height in the atlas and the scan that they do not come from.

    Args:
        dataset: the slices to draw from, see `pipeline.data.normal_slices`.
        distance: largest difference of height, in slices of the atlas.
    """

    def __init__(self, dataset: Subset, distance: int = 3) -> None:
        self.slices = cast(SliceDataset, dataset.dataset)
        self.rows = np.asarray(dataset.indices)
        self.heights = np.asarray(self.slices.z)[self.rows]
        self.scans = np.asarray(self.slices.scans)[self.rows]
        self.distance = distance

    def same_place(self, rng: np.random.Generator, height: int, scan: str) -> Slice:
        """A slice of about this height, of another scan if there is one; mirrored in half of the draws."""
        near = self.rows[(np.abs(self.heights - height) <= self.distance) & (self.scans != scan)]
        found = self._slice(rng.choice(near if len(near) else self.rows))
        return Slice(found.image[::-1], found.brain[::-1]) if rng.random() < 0.5 else found

    def any_place(self, rng: np.random.Generator) -> Slice:
        """A slice of any height, moved by up to a third of the frame, rows mirrored in half of the draws."""
        image, brain = self._slice(rng.choice(self.rows))
        offset = tuple(rng.integers(-(size // 3), size // 3 + 1) for size in image.shape)
        flip = slice(None, None, -1 if rng.random() < 0.5 else 1)
        return Slice(*(np.roll(array[:, flip], offset, (0, 1)) for array in (image, brain)))

    def _slice(self, row: int) -> Slice:
        image, brain = (np.asarray(self.slices.arrays[name][row]) for name in ("image", "brain"))
        return Slice(image, brain > 0)
