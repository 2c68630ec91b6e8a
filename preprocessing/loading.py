"""Read a scan and refuse what cannot be used, by name, with the rule and the value."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform

from preprocessing.errors import PreprocessingError
from preprocessing.scan import Scan


class LoadScand(Transform):
    """`scan` → `image`, `lesion`, `brain` as float32 MetaTensors [1, X, Y, Z] on the grid of the file.

    A healthy scan gets no `lesion`, a scan without a given mask no `brain`; masks become `value > 0`, labels keep
    their values.

    Args:
        max_spacing_mm: thicker voxels or slices are refused.
        min_extent_mm: a field of view that is shorter in any direction does not hold a brain.
        label_tolerance_mm: largest distance between the corners of image and label.

    Raises:
        PreprocessingError: a file is missing, truncated, 4-D with several volumes, NaN, constant, without a valid
            affine, too coarse, too small, or its label has another geometry.
    """

    def __init__(self, max_spacing_mm: float, min_extent_mm: float, label_tolerance_mm: float) -> None:
        self.max_spacing_mm = max_spacing_mm
        self.min_extent_mm = min_extent_mm
        self.label_tolerance_mm = label_tolerance_mm

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        scan: Scan = data["scan"]
        image, affine = load_volume(scan.image)
        if image.min() == image.max():
            raise PreprocessingError(f"{scan.image}: every voxel is {image.flat[0]:g}; an image needs contrast")
        self._check_size(scan.image, image.shape, affine)
        result = {**data, "image": _tensor(image, affine)}
        for key, path in (("lesion", scan.lesion), ("brain", scan.brain)):
            if path is not None:
                label, label_affine = load_volume(path)
                self._check_geometry(path, scan.image, (label.shape, label_affine), (image.shape, affine))
                result[key] = _tensor((label > 0).astype(np.float32) if key == "brain" else label, affine)
        return result

    def _check_size(self, path: Path, shape: tuple[int, ...], affine: np.ndarray) -> None:
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        extent = spacing * shape
        if spacing.max() > self.max_spacing_mm:
            raise PreprocessingError(f"{path}: voxels of {_mm(spacing)} mm; the limit is {self.max_spacing_mm:g} mm")
        if extent.min() < self.min_extent_mm:
            raise PreprocessingError(f"{path}: field of view {_mm(extent)} mm; a head needs {self.min_extent_mm:g} mm")

    def _check_geometry(self, path: Path, image: Path, label_grid: _Grid, image_grid: _Grid) -> None:
        (shape, affine), (expected, image_affine) = label_grid, image_grid
        if shape != expected:
            raise PreprocessingError(f"{path}: shape {shape} is not the shape {expected} of {image.name}")
        corners = np.array([(*corner, 1) for corner in itertools.product(*((0, n - 1) for n in shape))])
        distance = np.linalg.norm((corners @ (affine - image_affine).T)[:, :3], axis=1).max()
        if distance > self.label_tolerance_mm:
            raise PreprocessingError(
                f"{path}: its affine is {distance:.1f} mm away from the one of {image.name}; "
                f"at most {self.label_tolerance_mm:g} mm"
            )


_Grid = tuple[tuple[int, ...], np.ndarray]


def load_volume(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Array [X, Y, Z] float32 and affine (voxel → mm, RAS) of a NIfTI file.

    Raises:
        PreprocessingError: see `LoadScand`.
    """
    if not path.is_file():
        raise PreprocessingError(f"{path}: no such file")
    try:
        file: Any = nib.load(path)
        array = np.asarray(file.dataobj, dtype=np.float32)
    except Exception as error:  # nibabel, zlib and gzip each raise their own kinds
        raise PreprocessingError(f"{path}: unreadable or truncated ({type(error).__name__}: {error})") from error
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != 3:
        raise PreprocessingError(f"{path}: shape {array.shape} is not one 3-D volume")
    affine = _affine(path, file)
    if not (finite := np.isfinite(array)).all():
        raise PreprocessingError(f"{path}: {np.count_nonzero(~finite)} voxels are NaN or infinite")
    return array, affine


def _affine(path: Path, file: Any) -> np.ndarray:
    header = file.header
    if not isinstance(header, nib.Nifti1Header):
        raise PreprocessingError(f"{path}: {type(file).__name__} is not NIfTI")
    if header["sform_code"] == 0 and header["qform_code"] == 0:
        raise PreprocessingError(f"{path}: no valid affine: sform_code and qform_code are both 0")
    affine = np.asarray(file.affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-6:
        raise PreprocessingError(f"{path}: no valid affine: {affine[:3].round(3).tolist()} is singular or not finite")
    return affine


def _tensor(array: np.ndarray, affine: np.ndarray) -> MetaTensor:
    return MetaTensor(torch.from_numpy(np.ascontiguousarray(array))[None], affine=torch.from_numpy(affine))


def _mm(values: np.ndarray) -> str:
    return " × ".join(f"{value:.1f}" for value in values)
