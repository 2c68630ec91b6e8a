"""One slice without a lesion in, the same slice with painted lesions and their label out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

from pipeline.errors import check_choice
from pipeline.painting.kinds import KINDS, SHARES, Canvas
from pipeline.painting.neighbours import Neighbours
from pipeline.painting.shapes import NoiseFields, blob, follow_tissue, one_side, soft_mask

RADIUS_MM = (5.0, 42.0)
VISIBLE = 0.06  # mean change of the intensity from which on a painted lesion is labelled in full
DARKEST = 1e-3  # the brain stays where the image is positive
LESIONS = {0: 0.12, 1: 0.66, 2: 0.22}


class Painted(NamedTuple):
    """image: [H, W] in [0, 1]. label: [H, W] in [0, 1]. centre: row and column of the last lesion; None without one."""

    image: np.ndarray
    label: np.ndarray
    centre: tuple[int, int] | None


class PaintedLesions:
    """Paints 0 to 2 lesions of random outline and kind on a slice, and edits that are to be left alone.

    The label of a lesion is `mask · min(mean|Δ| / 0.06, 1)`: what cannot be seen is none. So that a network cannot find
    the painting by its seams, `edited` of the slices also get one or two patches that are blended in by the same kind
    of mask and have the label 0: tissue of the same place of another scan, a blur, or a slight change of gain.

    Args:
        neighbours: other slices of the training set.
        size: height and width of a slice, in pixels.
        spacing_mm: size of a pixel in the plane, in mm.
        shares: relative frequency of each kind of lesion, see `pipeline.painting.kinds`.
        edited: share of the slices with edits that are no lesion, in [0, 1].

    Raises:
        PipelineError: an unknown kind.

    Source: the training tasks of Tan et al. 2020 (foreign patches) and Baugh et al. 2023 (many tasks); kinds, shapes
    and frequencies are this project's, chosen on patients of the training part of a public glioma data set.
    """

    def __init__(
        self,
        neighbours: Neighbours,
        size: int,
        spacing_mm: float,
        shares: Mapping[str, float] = SHARES,
        edited: float = 0.6,
    ) -> None:
        for kind in shares:
            check_choice("kind of painted lesion", kind, KINDS)
        self.neighbours = neighbours
        self.size = size
        self.radius = tuple(limit / spacing_mm for limit in RADIUS_MM)
        self.kinds = [KINDS[kind] for kind in shares]
        self.shares = np.array([*shares.values()]) / sum(shares.values())
        self.edited = edited
        self.texture = NoiseFields(size, (0.7, 1.5, 3.0, 6.0))

    def __call__(
        self, rng: np.random.Generator, image: np.ndarray, brain: np.ndarray, height: int, scan: str
    ) -> Painted:
        """Paint on a slice.

        Args:
            rng: source of all draws.
            image: [H, W] in [0, 1], without a lesion.
            brain: [H, W] bool.
            height: of the slice, in slices of the atlas.
            scan: that the slice comes from.
        """
        places = np.argwhere(brain)
        label, centre = np.zeros_like(image), None
        if not len(places):
            return Painted(image, label, centre)
        if rng.random() < self.edited:
            for _ in range(rng.integers(1, 3)):
                image = self._edit(rng, image, brain, tuple(rng.choice(places)), height, scan)
        for _ in range(rng.choice([*LESIONS], p=[*LESIONS.values()])):
            place = tuple(rng.choice(places))
            image, of_lesion = self._lesion(rng, image, brain, place)
            label, centre = np.maximum(label, of_lesion), place
        return Painted(image * brain, label * brain, centre)

    def _blob(self, rng: np.random.Generator, place: tuple[int, int]) -> np.ndarray:
        low, high = self.radius
        radius = low * (high / low) ** (rng.random() ** 0.7)
        return blob(rng, self.size, place, radius, self.texture.draw(rng, nearest=radius / 3))

    def _lesion(
        self, rng: np.random.Generator, image: np.ndarray, brain: np.ndarray, place: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The image with one lesion, and its label."""
        depth = self._blob(rng, place)
        if rng.random() < 0.6:
            depth = follow_tissue(rng, depth, image)
        mask = soft_mask(rng, depth) * brain
        if rng.random() < 0.7:
            mask = mask * one_side(rng, self.size, place[0])
        if rng.random() < 0.45:  # cerebrospinal fluid stays dark
            mask = mask * np.clip(image / rng.uniform(0.2, 0.35), 0, 1) ** 2
        texture = rng.uniform(0, 1) * self.texture.draw(rng)
        canvas = Canvas(image, mask, depth, texture, self.neighbours.any_place(rng).image)
        painted = self.kinds[rng.choice(len(self.kinds), p=self.shares)](rng, canvas)
        painted = np.clip(painted, DARKEST, 1)
        core = mask > 0.5
        change = np.abs(painted - image)[core].mean() if core.any() else 0.0
        return painted, mask * min(change / VISIBLE, 1)

    def _edit(
        self,
        rng: np.random.Generator,
        image: np.ndarray,
        brain: np.ndarray,
        place: tuple[int, int],
        height: int,
        scan: str,
    ) -> np.ndarray:
        """The image with a patch that is no lesion."""
        mask = soft_mask(rng, self._blob(rng, place)) * brain
        edit = rng.integers(4)
        if edit <= 1:
            other = self.neighbours.same_place(rng, height, scan)
            return image + mask * other.brain * (other.image - image)
        if edit == 2:
            return image + mask * (gaussian_filter(image, rng.uniform(0.5, 1.2)) - image)
        gain = mask * rng.uniform(-0.06, 0.06)
        return np.clip(image * (1 + gain) + 0.015 * mask * self.texture.draw(rng, nearest=0.7), DARKEST, 1)
