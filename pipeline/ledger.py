"""One job = one status file, RUNS/ledger/METHOD/seed-N.json, written by atomic rename: a rerun is the recovery."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.files import write_json

FOLDER = "ledger"
OUTPUTS = ("metrics.csv", "scans.csv", "test.npz", "thresholds.json")
WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"

ASKED = ("method", "seed", "dataset_dir", "presets", "overrides")

Record = dict[str, Any]


def status_file(folder: Path) -> Path:
    """Of the run in RUNS/METHOD/seed-N."""
    return folder.parent.parent / FOLDER / folder.parent.name / f"{folder.name}.json"


def read(folder: Path) -> Record | None:
    """What is known of the run in RUNS/METHOD/seed-N; None where nothing is, or where it cannot be read."""
    return _read(status_file(folder))


def write(folder: Path, record: Record) -> None:
    """Write the status file of the run in RUNS/METHOD/seed-N."""
    write_json(status_file(folder), record)


def records(runs: Path) -> Iterator[tuple[str, Record]]:
    """`METHOD/seed-N` and what is known of it, of all jobs that were ever asked for in RUNS; one at a time.

    Raises:
        PipelineError: no job was; or a status file cannot be read, so that its job would be forgotten.
    """
    paths = sorted((runs / FOLDER).glob("*/seed-*.json"), key=lambda path: (path.parent.name, len(path.name), path))
    if not paths:
        raise PipelineError(f"no jobs in '{runs}': there is no '{runs / FOLDER}'; `lesionless run` writes it")
    for path in paths:
        record = _read(path)
        if record is not None:
            yield f"{path.parent.name}/{path.stem}", record
        elif path.is_file():
            raise PipelineError(f"'{path}' is no whole status file: delete it, and run its method again")


def why(record: Record | None, digest: str, folder: Path) -> str | None:
    """Why a job must run; None: it is done, of the same settings and data, and its outputs are in place.

    Args:
        record: what its status file says.
        digest: of what decides its numbers.
        folder: RUNS/METHOD/seed-N.
    """
    if record is None:
        return "new"
    if record["state"] != DONE:
        return str(record["state"])
    if record["digest"] != digest:
        return "other settings or data"
    return None if record.get("outputs") == outputs(folder) else "output lost or half-written"


def outputs(folder: Path) -> dict[str, int]:
    """Bytes of each file that an evaluated run must have, of those that are there."""
    return {name: path.stat().st_size for name in OUTPUTS if (path := folder / name).is_file()}


def _read(path: Path) -> Record | None:
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    needed = {"state", "digest", "release", *ASKED}
    return content if isinstance(content, dict) and needed <= set(content) else None
