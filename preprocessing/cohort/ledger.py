"""One scan = one idempotent task = one status file, written by atomic rename: a rerun is the recovery."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from preprocessing.cohort.scan_request import FOLDER, ScanRequest, status_file
from preprocessing.io.files import read_json, sha256_file, write_bytes, write_json
from preprocessing.io.text import quoted
from preprocessing.scan import Scan

Record = dict[str, Any]
FAILED = "failed before"


def inputs(scan: Scan) -> list[Record]:
    """Size, times of change and SHA-256 of the files that a scan reads."""
    return [{**_stat(path), "sha256": sha256_file(path)} for path in scan.inputs]


def why(request: ScanRequest, record: Record | None, *, hashing: bool) -> str | None:
    """Why a scan must run; None: it is done, that is, same request, same input, and outputs in place.

    Args:
        request: what is asked.
        record: what its status file says.
        hashing: read input files whose size is the same but not their times; False: they count as changed.
    """
    if record is None:
        return "new"
    if record["state"] != "done":
        return FAILED
    if record["request"] != request.digest:
        return "other configuration, versions or facts about the scan"
    paths = request.scan.inputs
    if len(paths) != len(record["inputs"]) or not all(
        _same(path, known, hashing) for path, known in zip(paths, record["inputs"], strict=True)
    ):
        return "input changed" if hashing else "input changed or touched"
    in_place = all(_size(request.out / path) == size for path, size in record["outputs"].items())
    return None if in_place else "output lost"


def refresh(request: ScanRequest, record: Record) -> None:
    """Note the times of input files that were moved or touched, so that they are not read again the next time."""
    now = [
        {**_stat(path), "sha256": known["sha256"]}
        for path, known in zip(request.scan.inputs, record["inputs"], strict=True)
    ]
    if now != record["inputs"]:
        write(request, {**record, "inputs": now})


def write(request: ScanRequest, record: Record) -> None:
    """Write the status file of a scan."""
    write_json(request.path, record)


def write_failures(out: Path, records: Iterable[Record]) -> list[Record]:
    """Write `failures.tsv` (id, reason); the failed records."""
    failed = sorted((record for record in records if record["state"] == "failed"), key=lambda record: record["id"])
    lines = ["id\treason", *("\t".join((record["id"], quoted(record["reason"]))) for record in failed)]
    write_bytes(out / "failures.tsv", ("\n".join(lines) + "\n").encode())
    return failed


def records(out: Path, ids: Sequence[str] | None = None) -> Iterator[Record]:
    """All status files below `out`, or those of `ids`, by id; one at a time."""
    paths = sorted((out / FOLDER).glob("sub-*.json")) if ids is None else [status_file(out, name) for name in ids]
    yield from (record for path in paths if (record := read_json(path)) is not None)


def _stat(path: Path) -> dict[str, int]:
    """`ctime_ns` cannot be set back, as a copy or an archive does with the time of modification."""
    stat = path.stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "ctime_ns": stat.st_ctime_ns}


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return None


def _same(path: Path, known: Record, hashing: bool) -> bool:
    if _size(path) != known["size"]:
        return False
    if all(known.get(key) == value for key, value in _stat(path).items()):
        return True
    return hashing and sha256_file(path) == known["sha256"]
