"""Where the voxels of a file lie, and whether two files lie on one grid."""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation, ornt_transform

from preprocessing.errors import PreprocessingError

TOLERANCE_MM = 0.5  # between the corners of two files of one scan: what rounding of affines does
_UNITS = {1: "metre", 3: "micron"}


def on_grid(
    path: Path,
    array: np.ndarray,
    affine: np.ndarray,
    reference: Path,
    shape: tuple[int, ...],
    grid: np.ndarray,
    tolerance_mm: float = TOLERANCE_MM,
) -> np.ndarray:
    """`array` on the grid of `reference`: the same place in the world, stored in another order of axes, is reordered.

    Nothing is interpolated.

    Args:
        path, array, affine: of the file, [X, Y] or [X, Y, Z] and 4×4, voxel → mm.
        reference, shape, grid: of the file beside it; `grid` is its affine.
        tolerance_mm: largest distance between corners.

    Raises:
        PreprocessingError: another shape, or another place.
    """
    if array.ndim == len(shape) == 3:
        array, affine = _reordered(array, affine, shape, grid, tolerance_mm)
    if array.shape != shape:
        raise PreprocessingError(f"{path}: shape {array.shape} is not the shape {shape} of {reference.name}")
    distance = corner_distance(affine, grid, shape)
    if distance > tolerance_mm:
        raise PreprocessingError(
            f"{path}: its affine is {distance:.1f} mm away from the one of {reference.name}; at most {tolerance_mm:g} "
            "mm; resample one onto the other"
        )
    return array


def _reordered(
    array: np.ndarray, affine: np.ndarray, shape: tuple[int, ...], grid: np.ndarray, tolerance_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    if array.shape == shape and corner_distance(affine, grid, shape) <= tolerance_mm:
        return array, affine
    change = ornt_transform(io_orientation(affine), io_orientation(grid))
    return apply_orientation(array, change), affine @ inv_ornt_aff(change, array.shape)


def unit_hint(header: nib.Nifti1Header) -> str:
    """What a message adds where the header says another unit than millimetres."""
    unit = _UNITS.get(int(header["xyzt_units"]) & 7)
    return f"; its header says the unit {unit} (xyzt_units), the affine must be in mm" if unit else ""


def affine_conflict(header: nib.Nifti1Header, shape: tuple[int, ...]) -> float:
    """Largest distance in mm between the corners by sform and the same by qform; 0 where one of them is not set."""
    with np.errstate(all="ignore"):  # what is not finite makes the distance so
        sform, qform = header.get_sform(coded=True)[0], header.get_qform(coded=True)[0]
    return 0.0 if sform is None or qform is None else corner_distance(sform, qform, shape)


def corner_distance(one: np.ndarray, other: np.ndarray, shape: tuple[int, ...]) -> float:
    """Largest distance in mm between the corners of a grid of `shape` under two affines."""
    corners = np.array([(*corner, 1) for corner in itertools.product(*((0, n - 1) for n in (*shape, 1, 1)[:3]))])
    with np.errstate(all="ignore"):
        return float(np.linalg.norm((corners @ (one - other).T)[:, :3], axis=1).max())


def skew_degrees(affine: np.ndarray) -> float:
    """How far the angle between two voxel axes is from a right one, in degrees; the largest of the three."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosines = np.abs(axes.T @ axes)[np.triu_indices(3, 1)]
    return float(np.degrees(np.arcsin(np.clip(cosines, 0, 1).max())))
