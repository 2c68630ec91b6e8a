"""The jobs of a folder of results on the processes of this machine, or on the workers of a dask scheduler."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipeline import ledger
from pipeline.jobs import Job, attempt, note
from pipeline.ledger import Record
from pipeline.progress import Progress, duration
from pipeline.threads import NUMBER_OF_THE_USER, usable_cores
from preprocessing.executors import executor_named
from preprocessing.executors.protocol import WORKER_DIED

PROCESSES = "processes"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How many jobs ran now and were done before, and the reasons of those that failed by `METHOD/seed-N`."""

    ran: int
    skipped: int
    failed: dict[str, str]


def run_jobs(
    jobs: Sequence[Job],
    workers: int = 1,
    executor: str = PROCESSES,
    *,
    failed_only: bool = False,
    function: Callable[[Job], Record] = attempt,
) -> Outcome:
    """Run the jobs that are not done; what fails is reported and the others go on.

    Args:
        jobs: of `pipeline.jobs.plan`.
        workers: processes; 1: this one.
        executor: `processes`, or `dask://HOST:PORT`.
        failed_only: run no job but those that failed before.
        function: what runs a job, in the process that it is given to.

    Raises:
        PreprocessingError: the executor.
    """
    todo = [job for job in jobs if _is_due(job, failed_only)]
    for job in todo:
        if ledger.read(job.folder) is None:
            note(job, ledger.WAITING)
    progress = Progress("jobs", len(jobs), "job", done=len(jobs) - len(todo))
    failed: dict[str, str] = {}
    for count, (job, result) in enumerate(_results(todo, workers, executor, function), len(jobs) - len(todo) + 1):
        record = _settled(job, result)
        if record["state"] == ledger.FAILED:
            failed[job.name] = record["reason"]
            log.warning("%s failed: %s", job.name, record["reason"])
        progress.step(count, f"{job.name} {record['state']}, it took {duration(record.get('seconds', 0.0))}")
    return Outcome(len(todo), len(jobs) - len(todo), failed)


def _is_due(job: Job, failed_only: bool) -> bool:
    reason = ledger.why(ledger.read(job.folder), job.digest, job.folder)
    return reason == ledger.FAILED if failed_only else reason is not None


def _results(
    jobs: Sequence[Job], workers: int, executor: str, function: Callable[[Job], Record]
) -> Iterator[tuple[Job, Record | None]]:
    if executor == PROCESSES and workers == 1:
        return ((job, function(job)) for job in jobs)
    threads = threads_of_a_job(workers if executor == PROCESSES else usable_cores())
    return executor_named(executor, workers, threads).run(_Quiet(function), jobs)


def threads_of_a_job(sharers: int) -> int:
    """OMP_NUM_THREADS where it is set, else an equal share of this machine's cores; 1 at least."""
    given = next((os.environ[name] for name in NUMBER_OF_THE_USER if os.environ.get(name, "").isdigit()), None)
    return int(given) if given else max(1, usable_cores() // sharers)


@dataclass(frozen=True)
class _Quiet:
    """Several workers share one terminal: theirs are warnings, and the progress is told by the process that waits."""

    function: Callable[[Job], Record]

    def __call__(self, job: Job) -> Record:
        logging.getLogger("pipeline").setLevel(logging.WARNING)
        return self.function(job)


def _settled(job: Job, result: Record | None) -> Record:
    """What became of a job, also in its status file where the worker could not write it."""
    record = result or {"state": ledger.FAILED, "reason": f"{WORKER_DIED}, each time that it was tried"}
    known = ledger.read(job.folder)
    if record["state"] == ledger.FAILED and (known is None or known["state"] != ledger.FAILED):
        note(job, ledger.FAILED, reason=record["reason"])
    return record


def planned_again(records: Iterable[Record]) -> list[tuple[Record, list[int]]]:
    """Of records of a ledger, each setting once (`method`, `dataset_dir`, `presets`, `overrides`), with its seeds."""
    seeds: dict[tuple[str, ...], list[int]] = {}
    keys = ("method", "dataset_dir", "presets", "overrides")
    for record in records:
        seeds.setdefault(tuple(record[key] for key in keys), []).append(record["seed"])
    return [(dict(zip(keys, setting, strict=True)), found) for setting, found in seeds.items()]
