"""`lesionless calibrate`: the thresholds, percentiles and verdicts of a model from the normals of one's own site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lesionless.words import counted


def calibrate(
    model: Annotated[Path, typer.Option(help="Model of `lesionless pack`.")],
    normals: Annotated[Path, typer.Option(help="Prepared dataset with healthy scans of the site.")],
    out: Annotated[Path, typer.Option(help="Folder of the new model.")],
    alpha: Annotated[float | None, typer.Option(help="Share of healthy subjects that may be called abnormal.")] = None,
    ml: Annotated[float, typer.Option(help="With --alpha: millilitres of false lesion that are tolerated.")] = 1.0,
    group: Annotated[
        str | None,
        typer.Option(help="Column of --table, such as scanner: each of its values gets thresholds of its own."),
    ] = None,
    table: Annotated[Path | None, typer.Option(help="CSV or TSV with a column participant_id, subject or id.")] = None,
    atlas: Annotated[Path | None, typer.Option(help="SRI-24 folder, for a machine without network.")] = None,
) -> None:
    """Calibrate a model at one's own site, on healthy scans that it has not seen."""
    from lesionless.prediction.calibrating import calibrate_site
    from pipeline.predict.recalibration import attainable

    promise = None if alpha is None else (alpha, ml)
    made = calibrate_site(model, normals, out, promise=promise, group=group, table=table, atlas=atlas)
    for cell, of_cell in made.normals.items():
        smallest = attainable(of_cell.histogram)
        name = f"{group} {cell}: " if cell else ""
        typer.echo(f"{name}{counted(len(of_cell.scans), 'normal')}; alpha can be {smallest:.3g} at least")
        for threshold in made.thresholds[cell]:
            typer.echo(f"  {threshold.rule}: {threshold.value:.4g}")
    typer.echo(f"{out}: calibrated on {normals}")
