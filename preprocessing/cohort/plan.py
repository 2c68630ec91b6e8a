"""What `run` would do, and what it would cost."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from preprocessing.cohort import ledger
from preprocessing.cohort.request import CohortRequest
from preprocessing.cohort.scan_request import scan_requests
from preprocessing.config import resolve
from preprocessing.dataset.slice_arrays import expected_bytes
from preprocessing.io.files import read_json
from preprocessing.scan import Scan

ASSUMED_SECONDS, ASSUMED_BYTES = 8.0, 7e6  # a 2 mm T1 head on one core of 2026


@dataclass(frozen=True)
class Plan:
    """The scans that would run, each with the reason, and what they need.

    Args:
        todo: scan and reason.
        total: scans of the data set.
        measured: scans of the ledger that `seconds` and `bytes` are the means of; 0: they are assumed.
        seconds: of one worker for one scan.
        bytes: of the files of one scan.
        slice_bytes: of the slice arrays of the whole data set.
        free_bytes: on the disk of the data set.
    """

    todo: list[tuple[Scan, str]]
    total: int
    measured: int
    seconds: float
    bytes: float
    slice_bytes: int
    free_bytes: int

    def summary(self, workers: int) -> str:
        """What would run, how long it takes and how much disk it fills."""
        basis = f"the mean of {self.measured} scans here" if self.measured else "assumed, none is measured yet"
        minutes = len(self.todo) * self.seconds / 60
        volumes = len(self.todo) * self.bytes / 1e6
        return (
            f"{len(self.todo)} of {self.total} scans to run\n"
            f"time: {minutes:.0f} min of one worker, {minutes / max(workers, 1):.0f} min of {max(workers, 1)}\n"
            f"disk: {volumes:.0f} MB of volumes and {self.slice_bytes / 1e6:.0f} MB of slices; "
            f"{self.free_bytes / 1e6:.0f} MB are free\n"
            f"a scan: {self.seconds:.1f} s and {self.bytes / 1e6:.1f} MB ({basis})"
        )


def plan(cohort: CohortRequest, out: Path) -> Plan:
    """Compare what is asked with the ledger, by size and times of the input; no image is read.

    Raises:
        PreprocessingError: see `resolve`.
    """
    config, digest = resolve(cohort.config, cohort.atlas)
    todo, measured, seconds, size = [], 0, 0.0, 0
    for request in scan_requests(cohort.scans, out, config, digest):
        record = read_json(request.path)
        if reason := ledger.why(request, record, hashing=False):
            todo.append((request.scan, reason))
        if record is not None and record["state"] == "done":
            measured += 1
            seconds += record["seconds"]
            size += sum(record["outputs"].values())
    mean = (seconds / measured, size / measured) if measured else (ASSUMED_SECONDS, ASSUMED_BYTES)
    slices = expected_bytes(len(cohort.scans), config)
    return Plan(todo, len(cohort.scans), measured, *mean, slices, shutil.disk_usage(_existing(out)).free)


def _existing(path: Path) -> Path:
    return next(parent for parent in (path.absolute(), *path.absolute().parents) if parent.exists())
