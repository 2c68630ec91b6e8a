"""One NIfTI file as it lies on disk, and what its header and its stored values say about themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.volumeutils import apply_read_scaling

from preprocessing.errors import PreprocessingError
from preprocessing.io.grids import unit_hint
from preprocessing.io.gzip_files import trailing_bytes
from preprocessing.io.nifti_header import NAMES, check_bytes, check_header, format_of, kind_of, not_a_file

CODES = 5  # the last kind of coordinates
_OTHER_NUMBERS = {
    "c": "; it is complex, give its magnitude",
    "V": "; it is in colour, give one grey value a voxel",
}


@dataclass(frozen=True)
class NiftiFile:
    """A 3-D volume with the header it came with.

    Args:
        stored: [X, Y, Z] in the type of the file.
        array: float32 [X, Y, Z], `scl_slope · stored + scl_inter`; a slope of 0 means unscaled, as NIfTI says.
        affine: 4×4, voxel → mm, RAS.
        header: of the file.
        offset: `scl_inter`.
        trailing: bytes after the end of the compressed data.
    """

    stored: np.ndarray
    array: np.ndarray
    affine: np.ndarray
    header: nib.Nifti1Header
    offset: float
    trailing: int


def open_nifti(path: Path, axes: Sequence[int] = (3,)) -> NiftiFile:
    """The one opening of an image: a file as it is, whole and with its checksum.

    Axes of length one after the third are left out. Nothing is said of where it lies, and NaN is left in.

    Args:
        path: `.nii`, `.nii.gz`, or one of `.hdr` and `.img`.
        axes: how many the volume may have.

    Raises:
        PreprocessingError: missing, damaged, not NIfTI, not one volume of real numbers, or no valid scaling.
    """
    if not path.is_file():
        raise PreprocessingError(f"{path}: no such file{not_a_file(path)}")
    if not path.name.lower().endswith(NAMES):
        names = ", ".join(NAMES)
        raise PreprocessingError(
            f"{path}: not named as NIfTI is ({names}){format_of(path)}; convert it, by nib-convert"
        )
    try:
        check_header(path)
        file: Any = nib.load(path)
        known = isinstance(file, nib.Nifti1Pair)  # also a single file, also NIfTI-2
        expected = check_bytes(path, file) if known else 0
        stored = np.asarray(file.dataobj.get_unscaled() if known else ())
        trailing = trailing_bytes(path, expected)
    except PreprocessingError:
        raise
    except Exception as error:  # nibabel, zlib and gzip each raise their own kinds
        raise PreprocessingError(f"{path}: unreadable or truncated ({_words(error)}{kind_of(path)})") from error
    if not known:
        raise PreprocessingError(f"{path}: {type(file).__name__} is not NIfTI; convert it, for example by nib-convert")
    while stored.ndim > 3 and stored.shape[-1] == 1:
        stored = stored[..., 0]
    if stored.ndim not in axes or stored.dtype.kind not in "iuf":
        kind = f"one {'- or '.join(map(str, axes))}-D volume of numbers{_OTHER_NUMBERS.get(stored.dtype.kind, '')}"
        raise PreprocessingError(f"{path}: shape {stored.shape} of {stored.dtype.name} is not {kind}")
    _check_fields(path, file)
    slope, offset = np.float32(file.dataobj.slope), np.float32(file.dataobj.inter)
    with np.errstate(over="ignore", invalid="ignore"):  # what becomes infinite is refused by those who want numbers
        array = apply_read_scaling(stored, slope, offset).astype(np.float32, copy=False)
    return NiftiFile(stored, array, _affine(path, file), file.header, float(offset), trailing)


def read_nifti(path: Path) -> NiftiFile:
    """One finite 3-D volume that lies somewhere.

    Raises:
        PreprocessingError: see `open_nifti`; neither sform nor qform, or NaN.
    """
    file = open_nifti(path)
    if file.header["sform_code"] == 0 and file.header["qform_code"] == 0:
        raise PreprocessingError(f"{path}: no valid affine: sform_code and qform_code are both 0")
    if not (finite := np.isfinite(file.array)).all():
        raise PreprocessingError(f"{path}: {np.count_nonzero(~finite)} voxels are NaN or infinite")
    return file


def load_volume(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Array [X, Y, Z] float32 and affine (voxel → mm, RAS) of a NIfTI file.

    Raises:
        PreprocessingError: see `read_nifti`.
    """
    file = read_nifti(path)
    return file.array, file.affine


def saturated_share(stored: np.ndarray) -> float:
    """Share of voxels at the upper limit of an integer type, where larger values were cut off; floats: 0."""
    return float((stored == np.iinfo(stored.dtype).max).mean()) if stored.dtype.kind in "iu" else 0.0


def wrapped_share(stored: np.ndarray, offset: float) -> float:
    """Share of voxels in the lower half of the negative values of an integer type.

    A magnitude above the limit of the type comes back 2^bits lower: the values just above the limit, the most
    frequent ones, near the most negative number, where interpolation's small negative values never are. Unsigned types
    and files with an offset, which use the whole range of the type, have none: 0.
    """
    if stored.dtype.kind != "i" or offset != 0:
        return 0.0
    return float((stored < np.iinfo(stored.dtype).min // 2).mean())


def _affine(path: Path, file: Any) -> np.ndarray:
    affine = np.asarray(file.affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-6:
        trouble = f"{affine[:3].round(3).tolist()} is singular or not finite{unit_hint(file.header)}"
        raise PreprocessingError(f"{path}: no valid affine: {trouble}")
    return affine


def _check_fields(path: Path, file: Any) -> None:
    """What NiBabel mends without a word: a slope that is not finite, an unknown code, a hand that is none."""
    holder = file.file_map.get("header", file.file_map["image"])
    with holder.get_prepare_fileobj("rb") as stream:
        header = type(file.header).from_fileobj(stream, check=False)
    slope = float(header["scl_slope"])
    if not np.isfinite(slope):
        raise PreprocessingError(f"{path}: scl_slope is {slope:g}; it must be a number, 0 for unscaled values")
    hand = float(header["pixdim"][0])
    if header["sform_code"] == 0 < header["qform_code"] and hand not in (-1, 0, 1):
        raise PreprocessingError(f"{path}: pixdim[0] is {hand:g}, not 1 or -1: nothing says which way its slices go")
    for name in ("sform_code", "qform_code"):
        if not 0 <= (code := int(header[name])) <= CODES:
            raise PreprocessingError(f"{path}: {name} is {code}; NIfTI knows 0 to {CODES}")


def _words(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
