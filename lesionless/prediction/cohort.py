"""Many scans by one model: what is done is not done again, one bad scan is named and the rest go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.markup import escape

from lesionless.prediction.dicom import check_dicom
from lesionless.prediction.order import Job, Order, opened
from lesionless.prediction.page.cohort import write_cohort_page
from lesionless.prediction.requests import requests_of
from lesionless.prediction.sources import Source
from lesionless.prediction.task import predict_scan
from pipeline.errors import PipelineError
from pipeline.predict import outputs
from pipeline.predict.lesions import COLUMNS
from pipeline.predict.model import Model
from preprocessing.cohort import ledger
from preprocessing.cohort.scan_request import FOLDER
from preprocessing.executors import executor_named
from preprocessing.executors.protocol import WORKER_DIED
from preprocessing.io.files import locked, read_json, remove_temporaries, write_json
from preprocessing.progress import progress_bar

LOCK, ASKED = "lock", "predict.json"
COHORT = (
    *("id", "state", "verdict", "drift", "seen_by_model", "volume_ml", "percentile_among_normals"),
    *("lesions", "largest_lesion_ml", "p_value", "peak", "dice", "reason"),
)


@dataclass(frozen=True)
class Predicted:
    """What was done: records of all scans, the worst first, and how many of them failed."""

    out: Path
    records: list[dict[str, Any]]
    failed: int


def predict_cohort(
    sources: Sequence[Source], order: Order, workers: int, executor: str, progress: bool = True
) -> Predicted:
    """Predict `sources`, then write tables and page; the same command goes on where it was stopped.

    Args:
        workers: processes; 0: this one. executor: `processes`, or `dask://HOST:PORT`.

    Raises:
        PipelineError: the model, or `order.out` holds predictions of another model.
        PreprocessingError: the atlas, the executor, or another run is at work in `order.out`.
    """
    with locked(order.out / FOLDER / LOCK):
        remove_temporaries(order.out)
        records = predict_scans(sources, order, workers, executor, progress)
        return write_group(order.out, records, opened(order.model, order.atlas).model)


def predict_scans(
    sources: Sequence[Source], order: Order, workers: int, executor: str, progress: bool = True
) -> list[dict[str, Any]]:
    """Predict `sources` and nothing else: several processes may do so in one folder for different scans."""
    model, preparation = opened(order.model, order.atlas)
    model.threshold(order.threshold, model.cell(order.cell))
    if order.dicom:
        check_dicom(sources)
    requests = requests_of(sources, preparation, order.prepared)
    jobs = [Job(order, source, request) for source, request in zip(sources, requests, strict=True)]
    _claim(order.out, model)
    (order.prepared / FOLDER).mkdir(parents=True, exist_ok=True)
    return list(_run(jobs, workers, executor, progress))


def write_group(out: Path, records: Sequence[dict[str, Any]], model: Model) -> Predicted:
    """Write `cohort.tsv`, `lesions.tsv`, `index.html` and the description of the folder."""
    ordered = sorted(records, key=worst_first)
    outputs.write_table(out / "cohort.tsv", COHORT, map(row, ordered))
    lesions = ({"scan": record["id"], **lesion} for record in ordered for lesion in record.get("lesions", []))
    outputs.write_table(out / "lesions.tsv", ("scan", *COLUMNS), lesions)
    write_cohort_page(out, [row(record) for record in ordered], model.facts["title"], model.facts["simulated"])
    outputs.write_description(out, version("lesionless"))
    return Predicted(out, ordered, sum(record["state"] == "failed" for record in ordered))


def done_before(out: Path, model: Model) -> list[dict[str, Any]]:
    """The records of all scans that were predicted in `out`.

    Raises:
        PipelineError: none, or by another model.
    """
    _claim(out, model)
    records = list(ledger.records(out))
    if not records:
        raise PipelineError(f"'{out}': no scan was predicted there; the level participant comes first")
    return records


def worst_first(record: dict[str, Any]) -> tuple[Any, ...]:
    """Key to sort scans by: failed, abnormal, drift, then the most volume among the normals, then the most volume."""
    if record["state"] == "failed":
        return 0, 0.0, 0.0, record["id"]
    summary = record["summary"]
    place = 1 if summary["verdict"] == "abnormal" else 2 if (summary["drift"] or {}).get("flagged") else 3
    return place, -(summary["percentile_among_normals"] or 0.0), -summary["volume_ml"], record["id"]


def row(record: dict[str, Any]) -> dict[str, Any]:
    """The line of a scan in `cohort.tsv`."""
    summary = record.get("summary", {})
    drift = summary.get("drift")
    known = {key: summary.get(key) for key in COHORT}
    return {**known, **{key: record[key] for key in ("id", "state", "reason")}, "drift": drift and drift["flagged"]}


def _claim(out: Path, model: Model) -> None:
    asked = read_json(out / FOLDER / ASKED)
    if asked is not None and asked["model"] != model.digest:
        raise PipelineError(f"'{out}' holds predictions of another model ({asked['title']}): choose another --out")
    if asked is None:
        write_json(out / FOLDER / ASKED, {"model": model.digest, "title": model.facts["title"]})


def _run(jobs: Sequence[Job], workers: int, executor: str, progress: bool) -> Iterator[dict[str, Any]]:
    with progress_bar(progress) as bar:
        task = bar.add_task("predicting scans", total=len(jobs))
        for job, result in executor_named(executor, workers).run(predict_scan, jobs):
            record = result or {
                "id": job.source.scan.id,
                "state": "failed",
                "reason": f"{job.source.scan.image}: {WORKER_DIED}",
            }
            if record["state"] == "failed":
                bar.console.print(f"[red]failed[/red] {escape(record['reason'])}", soft_wrap=True)
            bar.advance(task)
            yield record
