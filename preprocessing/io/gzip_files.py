"""Compressed files: their begin, and their whole length without keeping what comes out."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from preprocessing.errors import PreprocessingError

GZIP = b"\x1f\x8b"
_BLOCK = 1 << 16
_SLACK = 1 << 26  # bytes: a file may hold more than its header says, but not without end


def begin(path: Path, count: int) -> bytes:
    """The first `count` bytes of a file, of what comes out where its name says that it is compressed.

    Raises:
        OSError, EOFError, zlib.error: it cannot be read, or is not compressed.
    """
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as stream:
        return bytes(stream.read(count))


def trailing_bytes(path: Path, expected: int) -> int:
    """Bytes after the compressed data of a `.gz` file; reads to its end, where NiBabel skips the checksum.

    Args:
        path: of the file; one of another name has none.
        expected: bytes that should come out. Four times as many may, and 64 MB; none of them is kept.

    Raises:
        EOFError, zlib.error: the data ends early or does not have its checksum.
        PreprocessingError: more comes out; such a file is made to fill memory and time.
    """
    if path.suffix.lower() != ".gz":
        return 0
    most, out = 4 * expected + _SLACK, 0
    with path.open("rb") as source:
        rest = source.read(_BLOCK)
        while rest.startswith(GZIP):  # several streams in a row are one file
            stream = zlib.decompressobj(wbits=31)
            while not stream.eof:
                block = stream.decompress(rest, _BLOCK)
                out += len(block)
                if out > most:
                    raise PreprocessingError(f"{path}: more than {most} bytes come out; its header says {expected}")
                rest = stream.unconsumed_tail or (b"" if stream.eof else source.read(_BLOCK))
                if not (block or rest or stream.eof):
                    raise EOFError("the compressed data ends early")
            rest = stream.unused_data
            rest = rest if len(rest) >= len(GZIP) else rest + source.read(_BLOCK)
        return len(rest) + path.stat().st_size - source.tell()
