"""Prepare a data set: every scan by the same task, then the manifest."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape

from preprocessing.cohort import ledger
from preprocessing.cohort.content import check_content
from preprocessing.cohort.ledger import Record
from preprocessing.cohort.ratings import excluded as excluded_by
from preprocessing.cohort.request import CohortRequest, cohort_request, save_request
from preprocessing.cohort.scan_request import FOLDER, ScanRequest, scan_requests
from preprocessing.cohort.steps import FOLDER as STEPS
from preprocessing.cohort.task import process
from preprocessing.config import Config, named_files, resolve, steps
from preprocessing.dataset.manifest import write_manifest
from preprocessing.dataset.splits import assign
from preprocessing.errors import PreprocessingError
from preprocessing.executors import Executor, executor_named
from preprocessing.executors.protocol import WORKER_DIED
from preprocessing.io.files import locked, read_json, remove_temporaries, sha256_file, sha256_json
from preprocessing.progress import progress_bar
from preprocessing.scan import Scan

LOCK = "lock"
# Of a record, for the manifest; the rest is on disk.
KEPT = ("id", "state", "reason", "key", "input_sha256", "checks", "areas")


@dataclass(frozen=True)
class Prepared:
    """What was done: scans that ran, were up to date and wait, and id → reason of the failed ones.

    left_out: scans of validation and test whose lesions are too small, named in the manifest.
    """

    manifest: Path
    ran: int
    skipped: int
    waiting: int
    failures: dict[str, str]
    left_out: int


def prepare(
    scans: Sequence[Scan],
    out: Path,
    name: str,
    *,
    config: str = "base",
    atlas: Path | None = None,
    image_size: int = 96,
    slices: int | str = 10,
    slice_step: int = 3,
    seed: int = 0,
    workers: int = 2,
    executor: str = "processes",
    reuse: Path | None = None,
    progress: bool = True,
) -> Prepared:
    """Prepare `scans` in the folder `out`; a rerun does what is missing and tries again what failed.

    Args:
        scans: from `preprocessing.datasets.find_scans`.
        out: folder of the prepared data set.
        name: of the data set, in the manifest.
        config: name of a configuration of the package or path to one.
        atlas: folder of the atlas; None: the one in the user's cache, fetched once.
        image_size: side of the slices in pixels.
        slices: central axial slices a scan, or `all` with tissue.
        slice_step: mm between slices.
        seed: of the split and of FLAIR-like contrasts.
        workers: processes; 0: this one.
        executor: `processes`, or `dask://HOST:PORT`.
        reuse: another prepared data set, whose brain masks and registrations are used again where they fit.
        progress: show a progress bar on stderr.

    Raises:
        PreprocessingError: the scans or the configuration break a rule, no scan can be used, another run is at work
            in `out`, or it cannot be written.
    """
    options = {"image_size": image_size, "slices": slices, "slice_step": slice_step, "seed": seed}
    cohort = cohort_request(scans, name, config, options, atlas, executor=executor, workers=workers, reuse=reuse)
    return prepare_cohort(cohort, out, progress=progress)


def prepare_cohort(cohort: CohortRequest, out: Path, *, failed_only: bool = False, progress: bool = True) -> Prepared:
    """Prepare `cohort` in the folder `out`; with `failed_only`, run no scan but those that failed before.

    Raises:
        PreprocessingError: see `prepare`.
    """
    executor = executor_named(cohort.executor, cohort.workers)
    config, atlas_digest = resolve(cohort.config, cohort.atlas)
    split = assign(cohort.scans, config["split"], config["seed"])
    excluded = excluded_by(out, {scan.id for scan in cohort.scans})
    requests = scan_requests(cohort.scans, out, config, atlas_digest, _reused(cohort))
    with locked(out / FOLDER / LOCK):
        remove_temporaries(out)
        save_request(out, cohort, requests)
        done, todo = _sort(requests, failed_only)
        check_content([request.scan for request in todo], [request.scan for request in requests])
        records = [*done, *_run(executor, todo, len(done), progress)]
        waiting = len(requests) - len(records)
        failed = ledger.write_failures(out, records)
        usable = _usable(records, excluded)
        if not usable:
            raise PreprocessingError(_nothing_usable(failed, waiting, excluded))
        digest = _config_digest(config, atlas_digest)
        provenance = {
            "config": cohort.config_name,
            "config_sha256": digest,
            "seed": config["seed"],
            "excluded": excluded,
        }
        manifest, left_out = write_manifest(out, cohort.name, cohort.scans, usable, split, config, provenance, executor)
    reasons = {record["id"]: record["reason"] for record in failed}
    return Prepared(manifest, len(todo), len(done), waiting, reasons, left_out)


def _reused(cohort: CohortRequest) -> Path | None:
    if cohort.reuse is not None and not (cohort.reuse / STEPS).is_dir():
        raise PreprocessingError(f"{cohort.reuse}: nothing to use again (no folder {STEPS}); give a prepared data set")
    return cohort.reuse and cohort.reuse.absolute()


def _config_digest(config: Config, atlas: str) -> str:
    files = map(sha256_file, named_files(steps(config)))
    return sha256_json([{key: value for key, value in config.items() if key != "atlas"}, atlas, *files])


def _sort(requests: Sequence[ScanRequest], failed_only: bool) -> tuple[list[Record], list[ScanRequest]]:
    """The records of the scans that are done, and the requests that must run."""
    done, todo = [], []
    for request in requests:
        record = read_json(request.path)
        reason = ledger.why(request, record, hashing=True)
        if record is not None and reason is None:
            ledger.refresh(request, record)
            done.append(_slim(record))
        elif reason == ledger.FAILED or not failed_only:
            todo.append(request)
    return done, todo


def _run(executor: Executor, requests: Sequence[ScanRequest], done: int, progress: bool) -> Iterator[Record]:
    with progress_bar(progress) as bar:
        task = bar.add_task("preparing scans", total=len(requests) + done, completed=done)
        for request, result in executor.run(process, requests):
            record = result if result is not None else _died(request)
            if record["state"] == "failed":
                bar.console.print(f"[red]failed[/red] {escape(record['reason'])}", soft_wrap=True)
            bar.advance(task)
            yield _slim(record)


def _usable(records: Sequence[Record], excluded: Sequence[str]) -> dict[str, Record]:
    done = {record["id"]: record for record in records if record["state"] == "done"}
    return {name: record for name, record in done.items() if name not in excluded}


def _slim(record: Record) -> Record:
    kept = {key: record[key] for key in KEPT if key in record}
    return {**kept, "areas": {key: array("L", areas) for key, areas in record.get("areas", {}).items()}}


def _died(request: ScanRequest) -> Record:
    reason = f"{request.scan.image}: {WORKER_DIED}"
    record = {"id": request.scan.id, "state": "failed", "reason": reason, "request": request.digest, "seconds": 0.0}
    ledger.write(request, record)
    return record


def _nothing_usable(failed: Sequence[Record], waiting: int, excluded: Sequence[str]) -> str:
    if failed:
        return f"no scan could be used; the first reason: {failed[0]['reason']}"
    if excluded:
        return f"no scan could be used; all {len(excluded)} are rated exclude"
    return f"no scan is done and none failed; {waiting} wait for `rerun` without --failed"
