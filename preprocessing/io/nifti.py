"""One NIfTI file as it lies on disk, and what its header and its stored values say about themselves."""

from __future__ import annotations

import itertools
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.volumeutils import apply_read_scaling

from preprocessing.errors import PreprocessingError

_BLOCK = 1 << 24
_GZIP = b"\x1f\x8b"


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


def read_nifti(path: Path) -> NiftiFile:
    """Read a file, whole and with its checksum.

    Raises:
        PreprocessingError: missing, damaged, not NIfTI, not one 3-D volume, no valid affine or scaling, or NaN.
    """
    if not path.is_file():
        raise PreprocessingError(f"{path}: no such file")
    try:
        file: Any = nib.load(path)
        known = isinstance(file, nib.Nifti1Pair)  # also a single file, also NIfTI-2
        stored = np.asarray(file.dataobj.get_unscaled() if known else ())
        trailing = trailing_bytes(path)
    except Exception as error:  # nibabel, zlib and gzip each raise their own kinds
        raise PreprocessingError(f"{path}: unreadable or truncated ({type(error).__name__}: {error})") from error
    if not known:
        raise PreprocessingError(f"{path}: {type(file).__name__} is not NIfTI")
    while stored.ndim > 3 and stored.shape[-1] == 1:
        stored = stored[..., 0]
    if stored.ndim != 3 or stored.dtype.kind not in "iuf":
        raise PreprocessingError(
            f"{path}: shape {stored.shape} of {stored.dtype.name} is not one 3-D volume of numbers"
        )
    affine = _affine(path, file)
    _check_slope(path, file)
    slope, offset = np.float32(file.dataobj.slope), np.float32(file.dataobj.inter)
    array = apply_read_scaling(stored, slope, offset).astype(np.float32, copy=False)
    if not (finite := np.isfinite(array)).all():
        raise PreprocessingError(f"{path}: {np.count_nonzero(~finite)} voxels are NaN or infinite")
    return NiftiFile(stored, array, affine, file.header, float(offset), trailing)


def load_volume(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Array [X, Y, Z] float32 and affine (voxel → mm, RAS) of a NIfTI file.

    Raises:
        PreprocessingError: see `read_nifti`.
    """
    file = read_nifti(path)
    return file.array, file.affine


def trailing_bytes(path: Path) -> int:
    """Bytes after the compressed data of a `.gz` file; reads to its end, where NiBabel skips the checksum.

    Raises:
        EOFError, zlib.error: the data ends early or does not have its checksum.
    """
    if path.suffix != ".gz":
        return 0
    rest = path.read_bytes()
    while rest.startswith(_GZIP):  # several streams in a row are one file
        stream, tail = zlib.decompressobj(wbits=31), rest
        while not stream.eof:
            block = stream.decompress(tail, _BLOCK)
            tail = stream.unconsumed_tail
            if not (block or tail or stream.eof):
                raise EOFError("the compressed data ends early")
        rest = stream.unused_data
    return len(rest)


def affine_conflict(header: nib.Nifti1Header, shape: tuple[int, ...]) -> float:
    """Largest distance in mm between the corners by sform and the same by qform; 0 where one of them is not set."""
    sform, qform = header.get_sform(coded=True)[0], header.get_qform(coded=True)[0]
    return 0.0 if sform is None or qform is None else corner_distance(sform, qform, shape)


def corner_distance(one: np.ndarray, other: np.ndarray, shape: tuple[int, ...]) -> float:
    """Largest distance in mm between the corners of a grid of `shape` under two affines."""
    corners = np.array([(*corner, 1) for corner in itertools.product(*((0, n - 1) for n in shape))])
    return float(np.linalg.norm((corners @ (one - other).T)[:, :3], axis=1).max())


def skew_degrees(affine: np.ndarray) -> float:
    """How far the angle between two voxel axes is from a right one, in degrees; the largest of the three."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosines = np.abs(axes.T @ axes)[np.triu_indices(3, 1)]
    return float(np.degrees(np.arcsin(np.clip(cosines, 0, 1).max())))


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
    header = file.header
    if header["sform_code"] == 0 and header["qform_code"] == 0:
        raise PreprocessingError(f"{path}: no valid affine: sform_code and qform_code are both 0")
    affine = np.asarray(file.affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-6:
        raise PreprocessingError(f"{path}: no valid affine: {affine[:3].round(3).tolist()} is singular or not finite")
    return affine


def _check_slope(path: Path, file: Any) -> None:
    """NiBabel reads a slope that is not finite as "unscaled", and its header does not keep it."""
    holder = file.file_map.get("header", file.file_map["image"])
    with holder.get_prepare_fileobj("rb") as stream:
        slope = float(type(file.header).from_fileobj(stream, check=False)["scl_slope"])
    if not np.isfinite(slope):
        raise PreprocessingError(f"{path}: scl_slope is {slope:g}; it must be a number, 0 for unscaled values")
