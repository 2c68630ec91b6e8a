"""One scan = one idempotent task = one status file, written by atomic rename: a rerun is the recovery."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from preprocessing.config import Config, steps, versions
from preprocessing.files import sha256_file, sha256_json, write_bytes, write_json
from preprocessing.scan import Scan

Record = dict[str, Any]
FOLDER = "ledger"
RECORD = 2  # of what a record holds; scans with a record of another number run again


@dataclass(frozen=True)
class Request:
    """What is asked of one scan: everything that decides the result but the content of its files.

    Args:
        scan: the raw scan.
        out: the prepared data set.
        config: the resolved configuration.
        digest: SHA-256 of the rest, see `request`.
    """

    scan: Scan
    out: Path
    config: Config
    digest: str

    @property
    def path(self) -> Path:
        """The status file."""
        return self.out / FOLDER / f"{self.scan.id}.json"


def request(scan: Scan, out: Path, config: Config, atlas_digest: str) -> Request:
    """The request for a scan; its digest depends on the scan, the steps, the atlas and the package versions.

    The seed counts only where it is used, and neither file names nor the split nor the slices count.
    """
    fields = asdict(scan) | {"image": None, "lesion": scan.lesion is not None, "brain": scan.brain is not None}
    content = {
        "record": RECORD,
        "scan": {key: value for key, value in fields.items() if key != "split"},
        "steps": steps(config),
        "seed": config["seed"] if scan.flair_like else None,
        "atlas": atlas_digest,
        "versions": versions(),
    }
    return Request(scan, out, config, sha256_json(content))


def inputs(scan: Scan) -> list[Record]:
    """Size, time of change and SHA-256 of the files that a scan reads."""
    return [{**_stat(path), "sha256": sha256_file(path)} for path in scan.inputs]


def read(path: Path) -> Record | None:
    """A status file, or None where there is none or it cannot be read."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def finished(request: Request) -> Record | None:
    """The record of a scan that is done: same request, same input, outputs in place. None: it must run."""
    record = read(request.path)
    if record is None or record["state"] != "done" or record["request"] != request.digest:
        return None
    paths = request.scan.inputs
    if len(paths) != len(record["inputs"]) or not all(map(_same, paths, record["inputs"])):
        return None
    return record if all(_size(request.out / path) == size for path, size in record["outputs"].items()) else None


def write(request: Request, record: Record) -> None:
    """Write the status file of a scan."""
    write_json(request.path, record)


def write_failures(out: Path, records: Iterable[Record]) -> list[Record]:
    """Write `failures.tsv` (id, reason); the failed records."""
    failed = sorted((record for record in records if record["state"] == "failed"), key=lambda record: record["id"])
    lines = ["id\treason", *("\t".join((record["id"], " ".join(record["reason"].split()))) for record in failed)]
    write_bytes(out / "failures.tsv", ("\n".join(lines) + "\n").encode())
    return failed


def records(out: Path, ids: Sequence[str] | None = None) -> list[Record]:
    """All status files below `out`, or those of `ids`, by id."""
    folder = out / FOLDER
    paths = sorted(folder.glob("*.json")) if ids is None else [folder / f"{name}.json" for name in ids]
    return [record for path in paths if (record := read(path)) is not None]


def _stat(path: Path) -> dict[str, int]:
    stat = path.stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _same(path: Path, known: Record) -> bool:
    if not path.is_file():
        return False
    stat = _stat(path)
    if stat == {"size": known["size"], "mtime_ns": known["mtime_ns"]}:
        return True
    return stat["size"] == known["size"] and sha256_file(path) == known["sha256"]
