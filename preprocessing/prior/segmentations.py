"""The tissue segmentations of a cohort: one file a scan, made once, by as many processes as wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.markup import escape

from preprocessing.config import Config, build
from preprocessing.dataset.derivatives import sidecar
from preprocessing.errors import OutputError, reason
from preprocessing.executors import Executor
from preprocessing.executors.protocol import WORKER_DIED
from preprocessing.io.files import read_json, sha256_file, sha256_json, write_json, write_nifti
from preprocessing.prior.tissues import TISSUES
from preprocessing.progress import progress_bar
from preprocessing.scan import Scan
from preprocessing.space.grid import Volume
from preprocessing.versions import versions

DESCRIPTION = f"Tissues by Atropos: {', '.join(f'{label} {name}' for label, name in enumerate(TISSUES, start=1))}"


@dataclass(frozen=True)
class SegmentJob:
    """A prepared scan whose tissues are wanted.

    Args:
        scan: the prepared image and its brain mask.
        path: of the segmentation, NIfTI.
        config: with the noun `tissues`.
    """

    scan: Scan
    path: Path
    config: Config


@dataclass(frozen=True)
class Segmented:
    """What was done: paths by scan id, how many of them were made now, and id → reason of the scans that failed."""

    paths: dict[str, Path]
    made: int
    failures: dict[str, str]


def segment_all(jobs: Sequence[SegmentJob], executor: Executor, progress: bool) -> Segmented:
    """Segment every scan that has no segmentation yet; a failure stops no other, and leaves no older file."""
    made, paths, failures = 0, dict[str, Path](), dict[str, str]()
    with progress_bar(progress) as bar:
        task = bar.add_task("segmenting scans", total=len(jobs))
        for job, result in executor.run(segment, jobs):
            now, why = result if result is not None else (False, f"{job.scan.image}: {WORKER_DIED}")
            if why is None:
                paths[job.scan.id] = job.path
                made += now
            else:
                failures[job.scan.id] = why
                job.path.unlink(missing_ok=True)  # of an older image
                bar.console.print(f"[red]failed[/red] {escape(why)}", soft_wrap=True)
            bar.advance(task)
    return Segmented(paths, made, failures)


def segment(job: SegmentJob) -> tuple[bool, str | None]:
    """Write the segmentation of one scan, unless it is there; whether it was made, and the reason of a failure.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        request = sha256_json([_nouns(job.config), job.scan.contrast, *map(sha256_file, job.scan.inputs), versions()])
        if _is_there(job.path, request):
            return False, None
        volume = Volume.of(build(job.config, "tissues")({"scan": job.scan})["tissues"])
        write_nifti(job.path, volume.array.astype(np.uint8), volume.affine)
        content = {"Description": DESCRIPTION, "Sources": [job.scan.image.name], "Request": request}
        write_json(sidecar(job.path), {**content, "SHA256": sha256_file(job.path)})
        return True, None
    except OutputError:
        raise
    except Exception as error:  # one scan must not stop the others
        return False, reason(error)


def _nouns(config: Config) -> list[Any]:
    return [config[noun] for noun in ("load", "n4", "tissues")]


def _is_there(path: Path, request: str) -> bool:
    known = read_json(sidecar(path))
    if known is None or known.get("Request") != request or not path.is_file():
        return False
    return sha256_file(path) == known.get("SHA256")
