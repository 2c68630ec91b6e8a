"""Volumes of a scan as text of a page."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from pipeline.pages import packed

MARGIN_MM = 20.0


def volume(array: NDArray[np.uint8], affine: NDArray[np.float64]) -> str:
    """A NIfTI volume of 8 bits as text."""
    return packed(nib.Nifti1Image(array, affine).to_bytes())


def grey(image: NDArray) -> NDArray[np.uint8]:
    """An image in 8 bits: 0 to its percentile 99.5."""
    low, high = np.percentile(image, (0.5, 99.5))
    return np.clip((image - low) * (255 / max(float(high - low), 1e-12)), 0, 255).astype(np.uint8)


def around(inside: NDArray[np.bool_], affine: NDArray[np.float64]) -> tuple[tuple[slice, ...], NDArray[np.float64]]:
    """The box around what is `inside` with a margin, and its affine: no more of a head than is needed is shown."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    box = []
    for axis in range(3):
        ends = np.flatnonzero(inside.any(axis=tuple(other for other in range(3) if other != axis)))
        margin = int(MARGIN_MM / spacing[axis])
        low, high = (int(ends[0]), int(ends[-1])) if len(ends) else (0, inside.shape[axis] - 1)
        box.append(slice(max(low - margin, 0), min(high + margin + 1, inside.shape[axis])))
    shift = np.eye(4)
    shift[:3, 3] = [side.start for side in box]
    return tuple(box), affine @ shift
