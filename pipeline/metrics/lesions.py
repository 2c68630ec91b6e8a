"""Lesions as objects: connected components of a mask against those of a label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


class LesionCounts(NamedTuple):
    """Counts of connected components.

    Args:
        lesions: components of the label.
        found: lesions that the mask touches.
        objects: components of the mask.
        false: objects that touch no lesion.
        false_ml: volume of the false objects, in mL.

    Example:
        >>> counts = LesionCounts(lesions=4, found=3, objects=5, false=2, false_ml=0.4)
        >>> counts.recall, counts.precision, round(counts.f1, 3)
        (0.75, 0.6, 0.667)
    """

    lesions: int
    found: int
    objects: int
    false: int
    false_ml: float

    @property
    def recall(self) -> float:
        """Found of all lesions, nan without a lesion."""
        return self.found / self.lesions if self.lesions else np.nan

    @property
    def precision(self) -> float:
        """Objects that touch a lesion of all objects, nan without an object."""
        return 1 - self.false / self.objects if self.objects else np.nan

    @property
    def f1(self) -> float:
        """Harmonic mean of recall and precision; 0 with lesions or objects only, nan with neither."""
        if not (self.lesions and self.objects):
            return 0.0 if self.lesions or self.objects else np.nan
        both = self.recall + self.precision
        return 2 * self.recall * self.precision / both if both else 0.0


def lesion_counts(
    mask: NDArray[np.bool_], lesion: NDArray[np.bool_], spacing: Sequence[float], min_ml: float = 0.0
) -> LesionCounts:
    """Compare the components of a mask with those of a label, 26-connected in 3-D (8 in 2-D).

    Args:
        mask: [H, W] or [H, W, D] bool.
        lesion: bool of the same shape.
        spacing: of the voxels, in mm, one number for each axis.
        min_ml: in mL. Smaller objects of the mask are dropped. Smaller lesions need not be found, but an object that
            touches one is not false.

    Example:
        >>> import numpy as np
        >>> lesion, mask = np.zeros((2, 8, 8), bool)
        >>> lesion[1:3, 1:3] = lesion[5:7, 5:7] = True  # two lesions
        >>> mask[2:4, 2:4] = mask[0, 7] = True  # one touches a lesion, one pixel does not
        >>> lesion_counts(mask, lesion, spacing=(1.0, 1.0))
        LesionCounts(lesions=2, found=1, objects=2, false=1, false_ml=0.001)
    """
    voxel_ml = float(np.prod(spacing)) / 1000
    lesions, large_lesions = _components(lesion, min_ml, voxel_ml)
    objects, large_objects = _components(mask, min_ml, voxel_ml)
    kept = np.isin(objects, large_objects)
    found = np.intersect1d(lesions[kept], large_lesions)
    true = np.intersect1d(objects[lesions > 0], large_objects)
    false = np.setdiff1d(large_objects, true)
    false_ml = float(np.isin(objects, false).sum() * voxel_ml)
    return LesionCounts(len(large_lesions), len(found), len(large_objects), len(false), false_ml)


def _components(mask: NDArray[np.bool_], min_ml: float, voxel_ml: float) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Numbered components, and the numbers of those of at least `min_ml`."""
    labels, _ = ndimage.label(mask, ndimage.generate_binary_structure(mask.ndim, mask.ndim))
    volumes = np.bincount(labels.ravel()) * voxel_ml
    large = np.flatnonzero(volumes >= min_ml * (1 - 1e-9))
    return labels, large[large > 0]
