"""Files that appear whole or not at all, and their checksums."""

from __future__ import annotations

import errno
import fcntl
import gzip
import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from preprocessing.errors import OutputError, PreprocessingError

TEMPORARY = ".tmp-"
UNWRITABLE = (errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.ENOTDIR, errno.EPERM, errno.EROFS, errno.EFBIG)


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary name in the folder of `path`, moved onto `path` when the block ends without an error.

    Raises:
        OutputError: the disk is full, or there is no permission.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=TEMPORARY, suffix=path.name, dir=path.parent)
        os.close(handle)
        try:
            yield Path(name)
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what stops every file from being written, not this one alone, into an OutputError."""
    try:
        yield
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise OutputError(f"{path}: cannot be written ({error.strerror}); what is done stays") from error


def reserve(path: Path) -> None:
    """Give a sparse file its disk space: written through a memory map, a full disk would kill the process."""
    with writing(path), path.open("r+b") as stream:
        os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file `path` for this process alone; the system lets go of it when the process ends, however it ends.

    Raises:
        PreprocessingError: another process holds it.
        OutputError: the file cannot be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+")
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            stream.seek(0)
            raise PreprocessingError(f"{path}: {stream.read()} is at work there; wait for it or stop it") from error
        with writing(path):
            stream.truncate(0)
            stream.write(f"process {os.getpid()} on {platform.node()}")
            stream.flush()
        yield


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically."""
    with replaced(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON to `path` atomically."""
    write_bytes(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file, or None where there is none or it cannot be read."""
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def write_nifti(path: Path, array: np.ndarray, affine: np.ndarray) -> None:
    """Write `array` [X, Y, Z] in its own dtype as gzip-compressed NIfTI; identical input gives identical bytes."""
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=2)
    image.set_qform(affine, code=2)
    write_bytes(path, gzip.compress(image.to_bytes(), compresslevel=1, mtime=0))


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sha256_json(content: Any) -> str:
    """The SHA-256 of the canonical JSON text of `content` (sorted keys, no blanks)."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def remove_temporaries(folder: Path) -> None:
    """Remove what a killed process left half-written below `folder`."""
    for path in folder.rglob(f"{TEMPORARY}*") if folder.is_dir() else ():
        path.unlink(missing_ok=True)
