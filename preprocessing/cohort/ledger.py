"""One scan = one idempotent task = one status file, written by atomic rename: a rerun is the recovery."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preprocessing.config import Config, steps
from preprocessing.io.files import read_json, sha256_file, sha256_json, write_bytes, write_json
from preprocessing.scan import Scan
from preprocessing.versions import versions

Record = dict[str, Any]
FOLDER = "ledger"
RECORD = 2  # of what a record holds; scans with a record of another number run again
FAILED = "failed before"


@dataclass(frozen=True)
class ScanRequest:
    """What is asked of one scan: everything that decides the result but the content of its files.

    Args:
        scan: the raw scan.
        out: the prepared data set.
        config: the resolved configuration.
        digest: SHA-256 of the rest, see `scan_requests`.
    """

    scan: Scan
    out: Path
    config: Config
    digest: str

    @property
    def path(self) -> Path:
        """The status file."""
        return status_file(self.out, self.scan.id)


def status_file(out: Path, name: str) -> Path:
    """Where the status of the scan with this id is."""
    return out / FOLDER / f"{name}.json"


def scan_requests(scans: Iterable[Scan], out: Path, config: Config, files_digest: str) -> list[ScanRequest]:
    """The request for each scan; digests depend on the scan, the steps, files that they name, and package versions.

    The seed counts only where it is used, and neither file names nor the split nor the slices count.
    """
    common = sha256_json([RECORD, steps(config), files_digest, versions()])
    return [ScanRequest(scan, out, config, _digest(scan, common, config["seed"])) for scan in scans]


def _digest(scan: Scan, common: str, seed: int) -> str:
    fields = {key: True if isinstance(value, Path) else value for key, value in vars(scan).items() if key != "split"}
    return sha256_json([common, fields, seed if scan.flair_like else None])


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
    lines = ["id\treason", *("\t".join((record["id"], " ".join(record["reason"].split()))) for record in failed)]
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
