"""`lesionless pack`: a run becomes a model, one folder that `predict` takes anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lesionless.words import counted


def pack(
    run: Annotated[Path, typer.Argument(help="Run of a method: RUNS/METHOD/seed-N.")],
    out: Annotated[Path, typer.Option(help="Folder of the model.")],
    dataset: Annotated[
        Path | None, typer.Option(help="Prepared dataset of the run; default: the folder where it was.")
    ] = None,
    atlas: Annotated[Path | None, typer.Option(help="SRI-24 folder, for a machine without network.")] = None,
) -> None:
    """Pack a run as a model: weights, preparation, and thresholds of whole volumes."""
    from lesionless.prediction.packing import pack_run

    model = pack_run(run, out, dataset, atlas)
    facts = model.facts
    scans = f"{counted(facts['normals'], 'normal')}, {counted(facts['patients'], 'patient')}"
    typer.echo(f"{out}: {facts['title']}, {facts['modality']}; {scans}")
    for threshold in model.thresholds[""]:
        own = " (its own)" if threshold.rule == facts["threshold"] else ""
        typer.echo(f"  {threshold.rule}: {threshold.value:.4g}{own}")
