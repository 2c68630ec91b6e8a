"""`lesionless predict`: a map of one's own scan, on that scan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lesionless.words import counted

Scans = Annotated[
    list[Path],
    typer.Argument(help="NIfTI files, DICOM series or a folder of them, BIDS folders, tables, prepared data."),
]
ModelPath = Annotated[Path, typer.Option("--model", help="Model of `lesionless pack`, or a run: RUNS/METHOD/seed-N.")]
Atlas = Annotated[Path | None, typer.Option(help="SRI-24 folder, for a machine without network.")]
Threshold = Annotated[
    str | None, typer.Option(help="Rule of the mask's threshold, such as val_op or p95; default: that of the model.")
]
Cell = Annotated[
    str | None, typer.Option(help="Group (cell) of a model that was calibrated by groups, such as a scanner.")
]
Workers = Annotated[int | None, typer.Option(help="Processes; default: 1 for one scan, else 2. 0: this process.")]
ExecutorName = Annotated[str, typer.Option(help="processes, or dask://HOST:PORT (docs/CLUSTERS.md).")]


def predict(
    scans: Scans,
    model: ModelPath,
    out: Annotated[Path, typer.Option(help="Folder that everything is written to.")],
    threshold: Threshold = None,
    cell: Cell = None,
    atlas_space: Annotated[
        bool, typer.Option("--atlas-space", help="Also write map and mask in the space of the atlas.")
    ] = False,
    flair_like: Annotated[bool, typer.Option("--flair-like", help="Give T1 scans a FLAIR-like contrast.")] = False,
    dicom: Annotated[bool, typer.Option("--dicom", help="Also write map and mask of a DICOM series as DICOM.")] = False,
    pages: Annotated[bool, typer.Option(help="Write a page for each scan.")] = True,
    workers: Workers = None,
    executor: ExecutorName = "processes",
    atlas: Atlas = None,
) -> None:
    """Draw the anomaly map, mask and lesion table of each scan on its own grid; run again, it continues."""
    from lesionless.prediction.cohort import predict_cohort
    from lesionless.prediction.order import PREPARED, Order, opened
    from lesionless.prediction.packing import as_model
    from lesionless.prediction.sources import find_sources

    folder = as_model(model, atlas)
    sources = find_sources(scans, opened(folder, atlas).model.facts["modality"], flair_like)
    order = Order(folder, atlas, out, out / PREPARED, threshold, cell, atlas_space, pages, dicom)
    if workers is None:
        workers = 0 if len(sources) == 1 else 2
    done = predict_cohort(sources, order, workers, executor)
    tell(done.records, f"{out / 'index.html'}: ")


def tell(records: list[dict[str, Any]], where: str = "") -> None:
    """Say what was found, a line a scan; exit status 1 where one failed."""
    for record in records:
        typer.echo(line(record))
    failed = sum(record["state"] == "failed" for record in records)
    typer.echo(f"{where}{counted(len(records) - failed, 'scan')}, {failed} failed")
    raise typer.Exit(1 if failed else 0)


def line(record: dict[str, Any]) -> str:
    """What is said of one scan."""
    if record["state"] == "failed":
        return f"{record['id']}: failed: {record['reason']}"
    summary = record["summary"]
    seen = "; the model was trained or chosen on this scan" if summary["seen_by_model"] else ""
    drift = "; unlike the normals of the model" if (summary["drift"] or {}).get("flagged") else ""
    verdict = f"{summary['verdict']}; " if summary["verdict"] else ""
    rule, lesions = summary["threshold"]["rule"], counted(summary["lesions"], "lesion")
    return f"{record['id']}: {verdict}{summary['volume_ml']:.2f} mL at {rule}, {lesions}{drift}{seen}"
