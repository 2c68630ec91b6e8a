"""Affines as 4×4 matrices (voxel → mm, RAS), the one interpolation, and transforms on disk."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.io import loadmat, savemat

from preprocessing.io.files import write_bytes

_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])  # RAS ↔ the LPS axes of ITK
_PARAMETERS = "AffineTransform_double_3_3"


def resample(
    volume: np.ndarray, matrix: np.ndarray, shape: tuple[int, ...], order: int = 1, mode: str = "constant"
) -> np.ndarray:
    """volume [X, Y, Z] on another grid: `out[i] = volume[matrix · i]`.

    Args:
        volume: any real dtype.
        matrix: 4×4 from output voxels to input voxels, so that every transform in between is composed first.
        shape: of the output.
        order: of the spline; 0 is nearest neighbour, 1 linear.
        mode: of SciPy, what is outside: `constant` 0, `nearest` the nearest voxel.
    """
    volume = volume.astype(np.float32, copy=False)
    return ndimage.affine_transform(volume, matrix, output_shape=shape, order=order, mode=mode)


def box_grid(mask: np.ndarray, affine: np.ndarray, spacing: float, margin: float) -> tuple[np.ndarray, tuple[int, ...]]:
    """Affine and shape of the grid along the world axes that holds `mask`, `spacing` mm apart, `margin` mm around."""
    ends = [np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))[[0, -1]] for axis in range(3)]
    corners = np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3)
    world = corners @ affine[:3, :3].T + affine[:3, 3]
    low, high = world.min(axis=0) - margin, world.max(axis=0) + margin
    grid = np.diag([spacing, spacing, spacing, 1.0])
    grid[:3, 3] = low
    return grid, tuple(int(n) + 1 for n in np.ceil((high - low) / spacing))


def centre_of_mass(weights: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """The centre of `weights` [X, Y, Z] in mm."""
    return affine[:3, :3] @ np.array(ndimage.center_of_mass(weights)) + affine[:3, 3]


def largest(mask: np.ndarray) -> np.ndarray:
    """The largest part of a boolean mask [X, Y, Z], by faces."""
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    return labels == np.argmax(np.bincount(labels[labels > 0]))


def write_transform(path: Path, matrix: np.ndarray, centre: np.ndarray) -> None:
    """Write a world transform (RAS, mm) as an ITK affine in a MATLAB 4 file, which ANTs and SimpleITK read.

    ITK applies `y = A (x − c) + t + c` in LPS; `centre` is c in RAS and changes the numbers, not the map.
    """
    linear, offset = (_FLIP @ matrix @ _FLIP)[:3, :3], (_FLIP @ matrix @ _FLIP)[:3, 3]
    fixed = _FLIP[:3, :3] @ centre
    translation = offset - fixed + linear @ fixed
    stream = io.BytesIO()
    content = {_PARAMETERS: np.concatenate([linear.ravel(), translation])[:, None], "fixed": fixed[:, None]}
    savemat(stream, content, format="4")
    write_bytes(path, stream.getvalue())


def read_transform(path: Path) -> np.ndarray:
    """The 4×4 world matrix (RAS, mm) of a transform written by `write_transform` or by ANTs."""
    content = loadmat(path)
    name = next(key for key in content if key.startswith("AffineTransform_"))  # _double_ or _float_
    parameters, fixed = content[name].ravel().astype(np.float64), content["fixed"].ravel().astype(np.float64)
    matrix = np.eye(4)
    matrix[:3, :3] = parameters[:9].reshape(3, 3)
    matrix[:3, 3] = parameters[9:] + fixed - matrix[:3, :3] @ fixed
    return _FLIP @ matrix @ _FLIP
