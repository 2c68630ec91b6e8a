"""Images without a skull: how they are told, and their brain."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from preprocessing.errors import PreprocessingError
from preprocessing.space.geometry import box_grid, largest, resample

GRID_MM = 2.0
RIM_MM, CORE_MM = (4.0, 8.0), 16.0


class NoStripper:
    """For images without a skull: brain is what differs from the constant background, with holes filled."""

    def __call__(self, image: np.ndarray, affine: np.ndarray, given: np.ndarray | None) -> np.ndarray:
        corners = np.unique(image[:: image.shape[0] - 1, :: image.shape[1] - 1, :: image.shape[2] - 1])
        if len(corners) > 1:
            found = ", ".join(f"{value:g}" for value in corners)
            raise PreprocessingError(f"not skull-stripped: the background is not one constant (corners: {found})")
        mask = ndimage.binary_opening(image != corners[0])
        return ndimage.binary_fill_holes(largest(mask))


def is_stripped(image: np.ndarray, affine: np.ndarray, limits: Mapping[str, float]) -> bool:
    """Whether an image [X, Y, Z] shows a brain and no head around it: all of three signs.

    * `faces`: at least this share of the six faces of the volume is the background, the value of its first corner.
      The neck of a head reaches one of them;
    * `volume_ml`: what is not background has at most this volume. Scalp and skull double that of a brain;
    * `rim`: 4–8 mm under the surface, where a head has its dark skull, the median above the background is at least
      this share of the one deeper than 16 mm.
    """
    background = image[0, 0, 0]
    faces = [np.take(image, side, axis=axis) == background for axis in range(3) for side in (0, -1)]
    if np.concatenate([face.ravel() for face in faces]).mean() < limits["faces"]:
        return False
    brain = NoStripper()(image, affine, None)
    if not brain.any() or brain.sum() * abs(np.linalg.det(affine[:3, :3])) / 1000 > limits["volume_ml"]:
        return False
    rim, core = _medians(image - background, affine, brain)
    return bool(core > 0 and rim >= limits["rim"] * core)


def _medians(image: np.ndarray, affine: np.ndarray, brain: np.ndarray) -> tuple[float, float]:
    """Median of `image` in the rim and in the core of `brain`; NaN where there is none."""
    grid, shape = box_grid(brain, affine, GRID_MM, margin=2 * GRID_MM)
    matrix = np.linalg.inv(affine) @ grid
    depth = GRID_MM * ndimage.distance_transform_edt(resample(brain, matrix, shape) >= 0.5)
    value = resample(image, matrix, shape)
    parts = (value[(depth > RIM_MM[0]) & (depth <= RIM_MM[1])], value[depth > CORE_MM])
    rim, core = (float(np.median(part)) if part.size else float("nan") for part in parts)
    return rim, core
