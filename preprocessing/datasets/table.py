"""Own data: a folder with `scans.csv`, or a CSV file; its columns are the fields of `Scan`.

`id`, `image` and `healthy` are needed. `healthy` is `yes`, `no` or, where nobody knows, `unknown`: such a scan counts
as unlabelled, it is neither trained on nor measured. The default subject is the id, the default modality FLAIR, and a
scan with a label file counts as labelled. Paths are relative to the folder of the table and may not leave it, unless
they lead to one of the folders that the caller names as archives; then absolute paths and links are allowed.
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
from preprocessing.io.text import FORMULA, Row, read_table
from preprocessing.scan import SUFFIXES, Scan, bids_id

OTHER = ("*",)  # the table alone says what is there
NAME = "scans.csv"
COLUMNS = tuple(field.name for field in fields(Scan))
REQUIRED = ("id", "image", "healthy")
_PATHS = ("image", "lesion", "brain")
_FLAGS = ("healthy", "stripped", "labelled", "flair_like", "simulated")
UNKNOWN = "unknown"  # of `healthy`
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def find_scans(root: Path, archives: Sequence[Path] = ()) -> list[Scan]:
    """The scans of the table.

    Args:
        root: the table, or a folder with `scans.csv`.
        archives: folders outside that of the table, to which absolute paths and links of the table may lead.

    Raises:
        PreprocessingError: no table, an unknown or missing column, a value or path that breaks its rule.
    """
    table = root if root.is_file() else root / NAME
    if not table.is_file():
        raise PreprocessingError(f"{table}: no such file; its columns would be {', '.join(COLUMNS)}")
    found, rows = read_table(table)
    if unknown := [name for name in found if name not in COLUMNS]:
        raise PreprocessingError(f"{table}: unknown column {unknown[0]!r}; available: {', '.join(COLUMNS)}")
    if missing := [name for name in REQUIRED if name not in found]:
        raise PreprocessingError(f"{table}: column {missing[0]!r} is missing; needed: {', '.join(REQUIRED)}")
    scans = [_scan(f"{table}, line {row.line}", table.parent, row.values, archives) for row in rows]
    _check_ids(table, rows, scans)
    return scans


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
                place = _relative(row[key], root).as_posix()
                row[key] = f"./{place}" if place.startswith(FORMULA) else place
        writer.writerow(row)
    write_bytes(path, stream.getvalue().encode())


def _check_ids(table: Path, rows: Sequence[Row], scans: Sequence[Scan]) -> None:
    """Refuse ids that only differ in what an id does not keep, in the words of the table."""
    first: dict[tuple[str, str], Row] = {}
    for row, scan in zip(rows, scans, strict=True):
        other = first.setdefault((scan.id.lower(), scan.modality), row)
        if other.values["id"] != row.values["id"]:
            ids = f"the ids {other.values['id']!r} (line {other.line}) and {row.values['id']!r} (line {row.line})"
            raise PreprocessingError(f"{table}: {ids} both become {scan.id}: an id keeps its letters and digits only")


def _scan(where: str, folder: Path, row: dict[str, str], archives: Sequence[Path]) -> Scan:
    values: dict[str, Any] = dict(row)
    if missing := [name for name in REQUIRED if name not in values]:
        raise PreprocessingError(f"{where}: no value for {missing[0]!r}")
    for key in set(_FLAGS) & set(values):
        values[key] = _flag(where, key, values[key])
    for key in set(_PATHS) & set(values):
        if "\\" in values[key] and not (folder / values[key]).exists():
            raise PreprocessingError(f"{where}: {key} {values[key]!r}; write / between folders, not \\")
        values[key] = _located(folder / values[key], folder, archives)
    name = values["id"] if values["id"].startswith("sub-") else bids_id(values["id"])
    labelled = values["healthy"] or "lesion" in values
    defaults: dict[str, Any] = {"subject": name.split("_")[0], "labelled": labelled}
    values["modality"] = _known(values.get("modality", "FLAIR"))
    try:
        return Scan(**(defaults | values | {"id": name}))
    except PreprocessingError as error:
        raise PreprocessingError(f"{where}: {error}") from error


def _known(modality: str) -> str:
    """A modality however it is written: `flair`, `T1w`."""
    names = {name.lower(): key for key, suffix in SUFFIXES.items() for name in (key, suffix)}
    return names.get(modality.lower(), modality)


def _flag(where: str, key: str, text: str) -> bool:
    allowed = {**_TRUTH, UNKNOWN: False} if key == "healthy" else _TRUTH
    text = text.removesuffix(".0")  # of a spreadsheet
    if text.lower() not in allowed:
        raise PreprocessingError(f"{where}: {key} {text!r}; it must be one of {', '.join(allowed)}")
    return allowed[text.lower()]


def _located(path: Path, folder: Path, archives: Sequence[Path]) -> Path:
    real = path.resolve()
    if any(real.is_relative_to(archive.resolve()) for archive in archives):
        return real
    try:
        return folder / _relative(path, folder)
    except PreprocessingError as error:
        raise PreprocessingError(f"{error}, unless below a folder given by --archive") from error


def _relative(path: Path, root: Path) -> Path:
    try:
        return path.resolve().relative_to(root.resolve())
    except ValueError as error:
        link = next((part for part in (path, *path.parents) if part.is_symlink()), None)
        through = f" by the link {link.name} to {link.readlink()}" if link else ""
        raise PreprocessingError(f"{path}: outside the folder {root}{through}; paths may not leave it") from error
