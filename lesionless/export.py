"""`lesionless export`: a model becomes a MONAI bundle that works without this project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    model: Annotated[Path, typer.Option(help="Model of `lesionless pack`, or a run: RUNS/METHOD/seed-N.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle.")],
    onnx: Annotated[bool, typer.Option(help="Also write an ONNX file, which takes most of the time.")] = True,
    atlas: Annotated[Path | None, typer.Option(help="SRI-24 folder, for a machine without network.")] = None,
) -> None:
    """Export a model as one flat MONAI bundle: TorchScript, ONNX, configurations and a measured card."""
    from lesionless.prediction.exporting import grid_of
    from lesionless.prediction.packing import as_model
    from lesionless.prediction.raw_inference import raw_inference
    from pipeline.export.bundle import export as write

    folder = as_model(model, atlas)
    grid = grid_of(folder, atlas)
    seal = write(folder, out, grid, onnx, raw_inference(folder, atlas, grid))
    for name, reason in seal["missing"].items():
        typer.echo(f"no {name}: {reason}")
    typer.echo(f"{out}: a bundle of {seal['method']}, {len(seal['files'])} files")
