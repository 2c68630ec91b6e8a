"""Prepare a data set: every scan by the same task, then the manifest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from preprocessing import ledger
from preprocessing.config import Config, build, load_config, named_files
from preprocessing.errors import PreprocessingError
from preprocessing.executors import WORKER_DIED, Processes
from preprocessing.files import sha256_file, sha256_json
from preprocessing.ledger import Record, Request
from preprocessing.manifest import write_manifest
from preprocessing.scan import Scan, check_scans
from preprocessing.splits import assign
from preprocessing.task import process


@dataclass(frozen=True)
class Prepared:
    """What `prepare` did: the manifest, the scans that ran and were up to date, and id → reason of the failed ones.

    left_out: scans of validation and test whose lesions are too small, named in the manifest.
    """

    manifest: Path
    ran: int
    skipped: int
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
        progress: show a progress bar on stderr.

    Raises:
        PreprocessingError: the scans or the configuration break a rule, or no scan can be used.
    """
    check_scans(scans)
    overrides = {"image_size": image_size, "slices": slices, "slice_step": slice_step, "seed": seed}
    resolved, digest = resolve(config, atlas, overrides)
    requests = [ledger.request(scan, out, resolved, digest) for scan in scans]
    split = assign(scans, resolved["split"], seed)
    executor = Processes(workers)
    done = {request.scan.id: record for request in requests if (record := ledger.finished(request)) is not None}
    waiting = [request for request in requests if request.scan.id not in done]
    records = [*done.values(), *_run(executor, waiting, len(done), progress)]
    failed = ledger.write_failures(out, records)
    usable = {record["id"]: record for record in records if record["state"] == "done"}
    if not usable:
        raise PreprocessingError(f"no scan could be used; the first reason: {failed[0]['reason']}")
    provenance = {"config": Path(config).stem, "config_sha256": _config_digest(resolved, digest), "seed": seed}
    manifest, left_out = write_manifest(out, name, scans, usable, split, resolved, provenance, executor)
    return Prepared(manifest, len(waiting), len(done), {record["id"]: record["reason"] for record in failed}, left_out)


def resolve(config: str, atlas: Path | None, overrides: dict[str, Any]) -> tuple[Config, str]:
    """The configuration with overrides and the paths of the atlas, and the SHA-256 of all files that it names.

    Raises:
        PreprocessingError: see `load_config` and `ensure_atlas`, or a value that the steps refuse.
    """
    from preprocessing.atlas import ensure_atlas

    content = load_config(config, overrides)
    found = ensure_atlas(atlas)
    resolved = {**content, "atlas": found.config}
    for part in ("steps", "pseudo_volume"):
        build(resolved, part)
    return resolved, sha256_json([found.space, *map(sha256_file, (*found.files, *named_files(content)))])


def _config_digest(config: Config, atlas: str) -> str:
    return sha256_json([{key: value for key, value in config.items() if key != "atlas"}, atlas])


def _run(executor: Processes, requests: Sequence[Request], done: int, progress: bool) -> Iterator[Record]:
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not progress,
    )
    with bar:
        task = bar.add_task("preparing scans", total=len(requests) + done, completed=done)
        for request, result in executor.run(process, requests):
            record = result if result is not None else _died(request)
            if record["state"] == "failed":
                bar.console.print(f"[red]failed[/red] {record['reason']}", soft_wrap=True)
            bar.advance(task)
            yield record


def _died(request: Request) -> Record:
    reason = f"{request.scan.image}: {WORKER_DIED}"
    record = {"id": request.scan.id, "state": "failed", "reason": reason, "request": request.digest, "seconds": 0.0}
    ledger.write(request, record)
    return record


def plan_scans(scans: Sequence[Scan], out: Path, config: str, atlas: Path | None) -> list[Scan]:
    """The scans that `prepare` would run."""
    check_scans(scans)
    resolved, digest = resolve(config, atlas, {})
    return [scan for scan in scans if ledger.finished(ledger.request(scan, out, resolved, digest)) is None]
