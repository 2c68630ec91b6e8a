"""What several skull strippers need."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from scipy import ndimage

from preprocessing.errors import PreprocessingError
from preprocessing.space.geometry import box_grid, largest, resample
from preprocessing.space.grid import Volume

HEAD_MM, MARGIN_MM = 190.0, 10.0  # from the vertex to below a brain, also of a rotated head; around the head
SPACING_MM = 1.0


def require(module: str, package: str) -> Any:
    """The module of an optional package.

    Raises:
        PreprocessingError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise PreprocessingError(f"{package} is not installed ({error}); pip install {package!r}") from error


def head_mask(image: np.ndarray) -> np.ndarray:
    """The largest part of an MRI [X, Y, Z] brighter than half of Otsu's threshold: the head without the air.

    Raises:
        PreprocessingError: the image shows nothing.
    """
    from skimage.filters import threshold_otsu

    smooth = ndimage.gaussian_filter(image, 1)
    head = largest(ndimage.binary_opening(smooth > 0.5 * threshold_otsu(smooth)))
    if not head.any():
        raise PreprocessingError("no brain: the image shows nothing brighter than its background")
    return head


def upper_head(image: np.ndarray, affine: np.ndarray) -> Volume:
    """An MRI at 1 mm in the box around the head, without air and without the neck more than 190 mm below the vertex."""
    head = conform(image, affine, head_mask(image), SPACING_MM, MARGIN_MM)
    below = max(0, head.array.shape[2] - int((HEAD_MM + MARGIN_MM) / SPACING_MM))
    grid = head.affine.copy()
    grid[2, 3] += below * SPACING_MM
    return Volume(head.array[:, :, below:], grid)


def conform(image: np.ndarray, affine: np.ndarray, mask: np.ndarray, spacing: float, margin: float) -> Volume:
    """The box around `mask` on a grid along the world axes, `spacing` mm apart: linear, 0 outside the image."""
    grid, shape = box_grid(mask, affine, spacing, margin)
    return Volume(resample(image, np.linalg.inv(affine) @ grid, shape), grid)


def restore(mask: Volume, affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A mask back on the grid of the scan: `[linear(mask) ≥ ½]`."""
    return resample(mask.array, np.linalg.inv(mask.affine) @ affine, shape) >= 0.5
