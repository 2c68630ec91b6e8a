"""Plan, status and resumption of many jobs with a stub in place of the method: seconds and memory.

Usage: python benchmarks/jobs.py --jobs 10000
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from lesionless.jobs import run_jobs
from pipeline import ledger
from pipeline.jobs import Job, note, plan
from pipeline.ledger import Record

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from tiny_dataset import write_tiny_dataset


class Stopped(Exception):
    """What stands for a kill."""


def stub(job: Job) -> Record:
    """Leave the files of a job, a byte each."""
    job.folder.mkdir(parents=True, exist_ok=True)
    for name in ledger.OUTPUTS:
        (job.folder / name).write_text("x")
    return note(job, ledger.DONE, seconds=1.0, outputs=ledger.outputs(job.folder))


def measure(count: int, folder: Path) -> pd.DataFrame:
    """One row a step: its seconds, and MB of the process's memory at its peak until then."""
    dataset, runs, left = write_tiny_dataset(folder / "dataset"), folder / "runs", count // 2
    planned: list[Job] = []

    def stop_halfway(job: Job) -> Record:
        nonlocal left
        left -= 1
        if left < 0:
            raise Stopped
        return stub(job)

    def first_half() -> None:
        with suppress(Stopped):
            run_jobs(planned, function=stop_halfway)

    steps: dict[str, Callable[[], object]] = {
        "plan": lambda: planned.extend(plan(["intensity", "vae"], dataset, runs, range(count // 2))),
        "run the first half": first_half,
        "status": lambda: sum(record["state"] == ledger.DONE for _, record in ledger.records(runs)),
        "plan again": lambda: plan(["intensity", "vae"], dataset, runs, range(count // 2)),
        "resume: run the second half": lambda: run_jobs(planned, function=stub),
        "resume with nothing to do": lambda: run_jobs(planned, function=stub),
    }
    return pd.DataFrame([{"step": name, **_cost(step)} for name, step in steps.items()])


def _cost(step: Callable[[], object]) -> dict[str, float]:
    began = time.perf_counter()
    step()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": round(time.perf_counter() - began, 2), "peak MB": round(peak)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    with TemporaryDirectory() as scratch:
        sys.stdout.write(measure(parser.parse_args().jobs, Path(scratch)).to_string(index=False) + "\n")
