"""What a NIfTI file says of itself before its voxels are read, and what a file is that is none."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from preprocessing.errors import PreprocessingError
from preprocessing.io.gzip_files import GZIP, begin

LARGEST = 10**9  # voxels: a head at 0.25 mm; a header that says more is damaged or made to fill the memory
LARGE, RATIO = 1 << 30, 200  # bytes, and how much smaller a file of so many may be; heads shrink to a third
EXTENSIONS = 1 << 26  # bytes of a header
SINGLE = (".nii", ".nii.gz")
NAMES = (*SINGLE, ".hdr", ".hdr.gz", ".img", ".img.gz")
_FORMATS = {
    GZIP: "gzip",
    b"NRRD": "NRRD",
    b"\x89HDF": "HDF5 (MINC 2)",
    b"DICM": "DICOM",
    b"\x89PNG": "PNG",
    b"\x28\xb5\x2f\xfd": "zstandard",
}


def check_header(path: Path) -> None:
    """Refuse extensions of a header that would fill the memory.

    Raises:
        PreprocessingError: they do.
        Exception: the file is no NIfTI or is damaged; NiBabel, zlib and gzip each raise their own kinds.
    """
    if path.name.lower().endswith(SINGLE):
        long = _voxel_offset(begin(path, 540)) > EXTENSIONS
    else:
        header = nib.Nifti1Pair.filespec_to_file_map(str(path))["header"].filename
        long = len(begin(Path(str(header)), EXTENSIONS + 1)) > EXTENSIONS
    if long:
        raise PreprocessingError(f"{path}: its header is longer than {EXTENSIONS >> 20} MB; it is damaged")


def _voxel_offset(head: bytes) -> float:
    """Where the voxels begin, by the header of a single file; 0 for what is no NIfTI."""
    for order in "<>":
        for size, place in ((348, f"{order}108xf"), (540, f"{order}168xq")):
            if head[:4] == struct.pack(f"{order}i", size) and len(head) >= size:
                return float(np.nan_to_num(struct.unpack_from(place, head)[0], nan=np.inf))
    return 0.0


def check_bytes(path: Path, file: Any) -> int:
    """How many bytes the file holds by its header; `file` is NiBabel's, of which only the header was read.

    Raises:
        PreprocessingError: no voxel, or more than fit into the memory or than an image has that is so small a file.
    """
    if not 1 <= (axes := int(file.header["dim"][0])) <= 7:
        raise PreprocessingError(f"{path}: dim[0] is {axes}; NIfTI has 1 to 7 axes")
    count, kind = math.prod(file.shape), file.get_data_dtype()
    if not 0 < count <= LARGEST:
        raise PreprocessingError(f"{path}: shape {file.shape}; from 1 to {LARGEST:.0e} voxels are read")
    expected = int(file.dataobj.offset) + count * kind.itemsize
    size = Path(file.file_map["image"].filename).stat().st_size
    if expected > LARGE and expected > RATIO * size:
        raise PreprocessingError(
            f"{path}: shape {file.shape} of {kind.name}, {expected >> 20} MB from a file of {size} bytes: no image; "
            "if it is one, store it without compression"
        )
    return expected


def kind_of(path: Path) -> str:
    """What the file is by its first bytes, where that is not what its name says."""
    found = _found(path)
    zipped = path.name.lower().endswith(".gz")
    if zipped and found != "gzip":
        return "; its name says gzip, its content is " + (found or "not compressed")
    if found == "gzip" and not zipped:
        return "; its content is gzip, name it .nii.gz"
    return f"; it is {found}, convert it to NIfTI" if found and found != "gzip" else ""


def format_of(path: Path) -> str:
    """What the file is by its first bytes, where that is known."""
    return f"; it is {found}" if (found := _found(path)) else ""


def _found(path: Path) -> str:
    with path.open("rb") as stream:
        start = stream.read(132)
    return next((name for magic, name in _FORMATS.items() if magic in (start[: len(magic)], start[128:])), "")


def not_a_file(path: Path) -> str:
    """What is there instead of a file."""
    if path.is_symlink() and not path.exists():
        return f"; it is a link to {path.readlink()}, which is not there"
    return "; it is a folder" if path.is_dir() else ""
