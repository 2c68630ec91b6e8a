"""Archives that anybody may have written: how much comes out is looked at before it comes out."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PipelineError

RATIO, SLACK = 200, 1 << 26  # what may come out of a byte, and bytes that may come out of the smallest file
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, NDArray]:
    """Some arrays of an `.npz`; none is inflated that is longer than the file can hold, and no object is made.

    Raises:
        PipelineError: no such archive, an array is missing or damaged, or it would fill the memory.
        OSError: the file cannot be read.
    """
    content = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [archive.getinfo(f"{name}.npy") for name in names]
            _check_size(path, sum(member.file_size for member in members))
            return {name: _array(archive.read(member)) for name, member in zip(names, members, strict=True)}
    except PipelineError:
        raise
    except Exception as error:  # zipfile, zlib and numpy each raise their own kinds
        raise PipelineError(f"{path}: no archive with the arrays {', '.join(names)}, or a damaged one") from error


def inflated(path: Path, most: int) -> bytes:
    """What comes out of a `.gz` file.

    Args:
        most: bytes that may come out.

    Raises:
        PipelineError: it is damaged, or more comes out.
        OSError: the file cannot be read.
    """
    stream = zlib.decompressobj(wbits=31)
    try:
        content = stream.decompress(path.read_bytes(), most)
    except zlib.error as error:
        raise PipelineError(f"{path}: damaged") from error
    if stream.unconsumed_tail:
        raise PipelineError(f"{path}: more than {most} bytes would come out of it; it is not read")
    if not stream.eof:
        raise PipelineError(f"{path}: truncated")
    return content


def check_weights(path: Path) -> None:
    """Refuse an archive of weights that torch would take as it is: a compressed one, and one with a changed byte.

    `torch.save` does not compress, and what is compressed could fill the memory; `torch.load` looks at no checksum.

    Raises:
        PipelineError: a member of the archive is compressed, or does not have its checksum.
        OSError: the file cannot be read.
    """
    if not zipfile.is_zipfile(path):
        return
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            stored = all(member.compress_type == zipfile.ZIP_STORED for member in archive.infolist())
            broken = archive.testzip() if stored else None
    except Exception as error:  # zipfile has many kinds, also an OSError for a place before the file's begin
        raise PipelineError(f"'{path}' is damaged") from error
    if not stored:
        raise PipelineError(f"'{path}' is compressed, which torch.save does not do; it is not read")
    if broken:
        raise PipelineError(f"'{path}' is damaged: '{broken}' does not have its checksum; make or copy it again")


def _check_size(path: Path, size: int) -> None:
    most = RATIO * path.stat().st_size + SLACK
    if size > most:
        raise PipelineError(f"{path}: more than {most >> 20} MB would come out of this small file; it is not read")


def _array(content: bytes) -> NDArray:
    """The array of an `.npy`, whose header may not promise more than there is."""
    stream = io.BytesIO(content)
    version: tuple[int, int] = np.lib.format.read_magic(stream)
    shape, fortran, kind = _HEADERS[version](stream)
    if kind.hasobject or math.prod(shape) * kind.itemsize != len(content) - stream.tell():
        raise ValueError("no plain array, or another length than its header says")
    flat = np.frombuffer(content, kind, math.prod(shape), stream.tell())
    return flat.reshape(shape, order="F" if fortran else "C")
