"""Files that appear whole or not at all, and their checksums."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

TEMPORARY = ".tmp-"


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary name in the folder of `path`, moved onto `path` when the block ends without an error."""
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


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically."""
    with replaced(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON to `path` atomically."""
    write_bytes(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


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
