"""Files that appear whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import csv
import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import torch

from pipeline.errors import PipelineError

UNWRITABLE = (errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.ENOTDIR, errno.EPERM, errno.EROFS, errno.EFBIG)
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet computes


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary name in the folder of `path`, moved onto `path` when the block ends without an error.

    Raises:
        PipelineError: see `writing`.
    """
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a full disk and a missing permission into a user's mistake.

    Raises:
        PipelineError: with the path and what the system says.
    """
    try:
        yield
    except Exception as error:
        said = _of_the_system(error)
        if said is None or said.errno not in UNWRITABLE:
            raise
        raise PipelineError(f"{path}: cannot be written ({said.strerror}); what is done stays") from error


def _of_the_system(error: BaseException | None) -> OSError | None:
    """The OSError that an error is, or was raised in the wake of: torch raises a RuntimeError of its own."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table without its index; folders are made. Text that a spreadsheet would compute is quoted."""
    texts = table.select_dtypes(["object", "string"]).columns
    table = table.assign(**{name: table[name].map(quoted) for name in texts}) if len(texts) else table
    with replaced(path) as temporary:
        table.to_csv(temporary, index=False)


def quoted(value: Any) -> Any:
    """Text as a cell that no spreadsheet takes for a formula: `'` before its first sign; numbers stay.

    >>> quoted("=1+1"), quoted("-0.5"), quoted("sub-1"), quoted(-2.0)
    ("'=1+1", '-0.5', 'sub-1', -2.0)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) and not _is_number(value) else value


def unquoted(text: str) -> str:
    """What `quoted` was given.

    >>> unquoted("'=1+1"), unquoted("'a'")
    ('=1+1', "'a'")
    """
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def check_whole(path: Path) -> None:
    """Refuse a table that a killed process or a full disk cut off.

    Raises:
        PipelineError: it has no row, its last line does not end, or a row has other cells than the header.
    """
    text = path.read_text(encoding="utf-8")
    header, *rows = list(csv.reader(text.splitlines())) or [[]]
    bad = next(
        (f"row {n} has {len(row)} of {len(header)} cells" for n, row in enumerate(rows, 1) if len(row) != len(header)),
        "",
    )
    reason = bad or ("" if rows else "it has no row") or ("" if text.endswith("\n") else "its last line does not end")
    if reason:
        raise PipelineError(f"'{path}' is half-written: {reason}; the same `lesionless run` again writes it anew")


def is_whole(path: Path) -> bool:
    """Whether a table is there and `check_whole` accepts it."""
    try:
        check_whole(path)
    except (OSError, PipelineError):
        return False
    return True


def write_epoch(path: Path, rows: list[dict[str, Any]]) -> None:
    """Add the rows of one epoch, their `epoch`, to a CSV; rows of this and later epochs of a killed run go."""
    earlier = pd.read_csv(path) if path.is_file() else pd.DataFrame(columns=["epoch"])
    kept = earlier[earlier["epoch"] < rows[0]["epoch"]].to_dict("records")
    write_csv(path, pd.DataFrame([*kept, *rows]))


def write_json(path: Path, content: Any) -> None:
    """Write `content` as JSON; folders are made."""
    write_text(path, json.dumps(content, indent=1))


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8; folders are made."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes; folders are made."""
    with replaced(path) as temporary:
        temporary.write_bytes(content)


def write_volume(path: Path, slices: torch.Tensor, affine: np.ndarray) -> None:
    """Write slices [N, 1, H, W] as a NIfTI volume [H, W, N], under a temporary name first.

    Args:
        path: of the volume; folders are made.
        slices: any number type; bool becomes 0 and 1.
        affine: 4×4, voxel to world in mm (RAS), of the pseudo-volume's grid.
    """
    volume = slices[:, 0].permute(1, 2, 0).cpu().numpy()
    if volume.dtype == bool:
        volume = volume.astype(np.uint8)
    with replaced(path) as temporary:
        nib.save(nib.Nifti1Image(volume, affine), temporary)
