"""Own data: a folder with `scans.csv`, or a CSV file; its columns are the fields of `Scan`.

`id`, `image` and `healthy` are needed; the default subject is the id, the default modality FLAIR, a scan with a label
file counts as labelled. Paths are relative to the folder of the table and may not leave it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from preprocessing.errors import PreprocessingError
from preprocessing.io.files import write_bytes
from preprocessing.scan import Scan, bids_id

OTHER = ("*",)  # the table alone says what is there
NAME = "scans.csv"
COLUMNS = tuple(field.name for field in fields(Scan))
REQUIRED = ("id", "image", "healthy")
_PATHS = ("image", "lesion", "brain")
_FLAGS = ("healthy", "stripped", "labelled", "flair_like", "simulated")
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def find_scans(root: Path) -> list[Scan]:
    """The scans of the table.

    Raises:
        PreprocessingError: no table, an unknown or missing column, a value or path that breaks its rule.
    """
    table = root if root.is_file() else root / NAME
    if not table.is_file():
        raise PreprocessingError(f"{table}: no such file; its columns would be {', '.join(COLUMNS)}")
    with table.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        found = reader.fieldnames or []
        if unknown := [name for name in found if name not in COLUMNS]:
            raise PreprocessingError(f"{table}: unknown column {unknown[0]!r}; available: {', '.join(COLUMNS)}")
        if missing := [name for name in REQUIRED if name not in found]:
            raise PreprocessingError(f"{table}: column {missing[0]!r} is missing; needed: {', '.join(REQUIRED)}")
        return [_scan(f"{table}, line {line}", table.parent, row) for line, row in enumerate(reader, 2)]


def write_table(scans: Sequence[Scan], path: Path, root: Path) -> None:
    """Write `scans` as a table that `find_scans` reads; paths are relative to `root`, the folder of `path`.

    Raises:
        PreprocessingError: a file that is not below `root`.
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for scan in scans:
        row: dict[str, Any] = {key: "" if value is None else value for key, value in asdict(scan).items()}
        for key in _PATHS:
            if row[key] != "":
                row[key] = _relative(row[key], root).as_posix()
        writer.writerow(row)
    write_bytes(path, stream.getvalue().encode())


def _scan(where: str, folder: Path, row: dict[str, Any]) -> Scan:
    values: dict[str, Any] = {key: value.strip() for key, value in row.items() if key and value and value.strip()}
    if missing := [name for name in REQUIRED if name not in values]:
        raise PreprocessingError(f"{where}: no value for {missing[0]!r}")
    for key in set(_FLAGS) & set(values):
        if values[key].lower() not in _TRUTH:
            raise PreprocessingError(f"{where}: {key} {values[key]!r}; it must be one of {', '.join(_TRUTH)}")
        values[key] = _TRUTH[values[key].lower()]
    for key in set(_PATHS) & set(values):
        values[key] = folder / _relative(folder / values[key], folder)
    name = values["id"] if values["id"].startswith("sub-") else bids_id(values["id"])
    labelled = values["healthy"] or "lesion" in values
    defaults: dict[str, Any] = {"subject": name.split("_")[0], "modality": "FLAIR", "labelled": labelled}
    try:
        return Scan(**(defaults | values | {"id": name}))
    except PreprocessingError as error:
        raise PreprocessingError(f"{where}: {error}") from error


def _relative(path: Path, root: Path) -> Path:
    try:
        return path.resolve().relative_to(root.resolve())
    except ValueError as error:
        raise PreprocessingError(f"{path}: outside the folder {root}; paths may not leave it") from error
