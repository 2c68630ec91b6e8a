"""Read a scan and refuse what cannot be used, by name, with the rule and the value."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from nibabel.spatialimages import HeaderDataError

from preprocessing.errors import PreprocessingError
from preprocessing.io.grids import affine_conflict, on_grid, skew_degrees, unit_hint
from preprocessing.io.levels import from_air
from preprocessing.io.masks import read_mask
from preprocessing.io.nifti import NiftiFile, read_nifti, saturated_share, wrapped_share
from preprocessing.scan import Scan


class LoadScand(Transform):
    """`scan` → `image`, `lesion`, `brain` as float32 MetaTensors [1, X, Y, Z] on the grid of the file.

    A healthy scan gets no `lesion`, a scan without a given mask no `brain`. Masks become 0 and 1 by `read_mask`, labels
    keep their values; both are brought into the order of axes of the image. Values are counted from the level of air,
    see `from_air`. The checks are `saturated` and `wrapped`,
    see below, and `trailing_bytes`, what follows the compressed data of the files and is ignored.

    Args:
        max_spacing_mm: thicker voxels or slices are refused.
        min_extent_mm: a field of view that is shorter in any direction does not hold a brain.
        label_tolerance_mm: largest distance between the corners of image and label.
        affine_conflict_mm: largest distance between the corners by sform and by qform, where both are set.
        skew_degrees: how far the voxel axes may be from right angles.
        saturated: largest share of voxels at the upper limit of an integer type.
        wrapped: largest share of voxels in the lower half of the negative values of an integer type.
        signed: modalities with negative values by nature; their values stay, and the two shares are not limited.
        series_tolerance: largest deviation of a DICOM slice from its place, as a share of the slice distance.

    Raises:
        PreprocessingError: a file is missing, damaged, not one 3-D volume, NaN, constant, without a valid affine or
            with two that differ, skewed, too coarse, too small, cut off or wrapped around by its integer type, or its
            label has another geometry.
    """

    def __init__(
        self,
        max_spacing_mm: float,
        min_extent_mm: float,
        label_tolerance_mm: float,
        affine_conflict_mm: float,
        skew_degrees: float,
        saturated: float,
        wrapped: float,
        signed: Sequence[str],
        series_tolerance: float,
    ) -> None:
        self.max_spacing_mm = max_spacing_mm
        self.min_extent_mm = min_extent_mm
        self.label_tolerance_mm = label_tolerance_mm
        self.affine_conflict_mm = affine_conflict_mm
        self.skew_degrees = skew_degrees
        self.saturated = saturated
        self.wrapped = wrapped
        self.signed = signed
        self.series_tolerance = series_tolerance

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        scan: Scan = data["scan"]
        image = self._read_series(scan.image) if scan.image.is_dir() else self._read_file(scan.image)
        self._check_size(scan.image, image)
        if scan.modality not in self.signed:
            self._check_overflow(scan.image, image)
        if image.array.min() == image.array.max():
            raise PreprocessingError(f"{scan.image}: every voxel is {image.array.flat[0]:g}; an image needs contrast")
        values = image.array if scan.modality in self.signed else from_air(image.array)
        result = {**data, "image": _tensor(values, image.affine)}
        trailing = image.trailing
        for key, path in (("lesion", scan.lesion), ("brain", scan.brain)):
            if path is not None:
                label = self._read_file(path)
                place = scan.image, image.array.shape, image.affine
                stored = on_grid(path, label.array, label.affine, *place, self.label_tolerance_mm)
                mask = read_mask(stored, path).astype(np.float32) if key == "brain" else stored
                result[key] = _tensor(mask, image.affine)
                trailing += label.trailing
        shares = {"saturated": saturated_share(image.stored), "wrapped": wrapped_share(image.stored, image.offset)}
        checks = {**{name: round(share, 7) for name, share in shares.items()}, "trailing_bytes": trailing}
        return {**result, "checks": {**data.get("checks", {}), **checks}}

    def _read_series(self, folder: Path) -> NiftiFile:
        from preprocessing.io.dicom import load_series

        array, affine = load_series(folder, self.series_tolerance)
        return NiftiFile(array, array, affine, nib.Nifti1Header(), offset=0.0, trailing=0)

    def _read_file(self, path: Path) -> NiftiFile:
        file = read_nifti(path)
        self._check_affine(path, file)
        return file

    def _check_affine(self, path: Path, file: NiftiFile) -> None:
        try:
            conflict = affine_conflict(file.header, file.array.shape)
        except (ValueError, HeaderDataError) as error:
            raise PreprocessingError(f"{path}: its qform is damaged ({error}); set qform_code to 0") from error
        if not conflict <= self.affine_conflict_mm:  # nor is it, where one of them is not finite
            with np.errstate(all="ignore"):
                sform, qform = (code(coded=True) for code in (file.header.get_sform, file.header.get_qform))
            raise PreprocessingError(
                f"{path}: sform {_text(sform)} and qform {_text(qform)} place its corners {conflict:.1f} mm apart, "
                f"at most {self.affine_conflict_mm:g} mm; set the code of the wrong one to 0"
            )
        skew = skew_degrees(file.affine)
        if skew > self.skew_degrees:
            raise PreprocessingError(
                f"{path}: two voxel axes are {skew:.1f}° off a right angle; at most {self.skew_degrees:g}°"
            )

    def _check_size(self, path: Path, file: NiftiFile) -> None:
        spacing = np.linalg.norm(file.affine[:3, :3], axis=0)
        extent, unit = spacing * file.array.shape, unit_hint(file.header)
        if spacing.max() > self.max_spacing_mm:
            raise PreprocessingError(
                f"{path}: voxels of {_mm(spacing)} mm; the limit is {self.max_spacing_mm:g} mm{unit}"
            )
        if extent.min() < self.min_extent_mm:
            raise PreprocessingError(
                f"{path}: field of view {_mm(extent)} mm; a head needs {self.min_extent_mm:g} mm{unit}"
            )

    def _check_overflow(self, path: Path, file: NiftiFile) -> None:
        kind = file.stored.dtype
        saturated, wrapped = saturated_share(file.stored), wrapped_share(file.stored, file.offset)
        if saturated > self.saturated:
            raise PreprocessingError(
                f"{path}: overflow: {saturated:.4f} of the voxels are at the limit {np.iinfo(kind).max} of {kind.name}"
                f"; at most {self.saturated:g}"
            )
        if wrapped > self.wrapped:
            raise PreprocessingError(
                f"{path}: overflow: {wrapped:.2g} of the voxels are below {np.iinfo(kind).min // 2}, where {kind.name} "
                f"puts larger magnitudes; at most {self.wrapped:g}"
            )


def _tensor(array: np.ndarray, affine: np.ndarray) -> MetaTensor:
    return MetaTensor(torch.from_numpy(np.ascontiguousarray(array))[None], affine=torch.from_numpy(affine))


def _mm(values: np.ndarray) -> str:
    return " × ".join(f"{value:.1f}" for value in values)


def _text(coded: tuple[np.ndarray, int]) -> str:
    return f"{np.round(coded[0][:3], 4).tolist()} (code {int(coded[1])})"
