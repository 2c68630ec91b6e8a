"""The command `lesionless`: a thin door to preprocessing and pipeline."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from lesionless.metrics_command import metrics
from pipeline import report
from pipeline.ablation import run_ablation
from pipeline.catalogue import available_methods, method_table
from pipeline.errors import PipelineError
from pipeline.leaderboard import collect, run_leaderboard
from preprocessing.datasets import find_scans
from preprocessing.errors import PreprocessingError
from preprocessing.phantom import write_cohort
from preprocessing.run import prepare

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Brain lesions without lesion labels.")
app.command()(metrics)

DEMO_METHODS = "intensity,histeq,histeq_smooth,untrained_amcons,amcons,vae"
TABLE_WIDTH = 172
Out = Annotated[Path, typer.Option(help="Folder that everything is written to.")]
Methods = Annotated[str, typer.Option(help="Methods, separated by commas; `lesionless methods` lists them.")]
Seeds = Annotated[str, typer.Option(help="Seeds, separated by commas.")]
Epochs = Annotated[int, typer.Option(help="Epochs of training; the paper's value is 300.")]
Mixins = Annotated[str, typer.Option(help="Mixins of bundles/base/configs, separated by commas.")]


@app.command()
def demo(
    out: Out = Path("runs/demo"),
    image_size: Annotated[int, typer.Option(help="Pixels of a slice's side; the paper's value is 224.")] = 96,
    epochs: Epochs = 20,
    healthy: Annotated[int, typer.Option(help="Simulated healthy heads.")] = 24,
    lesion: Annotated[int, typer.Option(help="Simulated heads with lesions.")] = 14,
    methods: Methods = DEMO_METHODS,
    seeds: Seeds = "0",
    workers: Annotated[int, typer.Option(help="Processes of the preprocessing.")] = 2,
    atlas: Annotated[Path | None, typer.Option(help="SRI-24 folder, for a machine without network.")] = None,
) -> None:
    """The whole way on a simulated cohort: raw heads in, a scored report out. Stopped, it goes on where it was."""
    raw = write_cohort(out / "raw", healthy=healthy, lesion=lesion, seed=0, workers=workers, atlas=atlas)
    scans = find_scans("phantom", raw)
    prepare(scans, out / "dataset", "phantom", image_size=image_size, workers=workers, atlas=atlas)
    run(out / "dataset", out, methods, seeds, epochs)


@app.command()
def run(
    dataset: Annotated[Path, typer.Argument(help="Prepared dataset, the output of `python -m preprocessing run`.")],
    out: Out = Path("runs"),
    methods: Methods = DEMO_METHODS,
    seeds: Seeds = "0",
    epochs: Epochs = 300,
    mixins: Mixins = "",
) -> None:
    """Train, calibrate and evaluate methods on a prepared dataset, and write the report."""
    names, numbers = methods.split(","), [int(seed) for seed in seeds.split(",")]
    run_leaderboard(names, dataset, out, numbers, mixins, max_epochs=epochs)
    options = f"--methods {methods} --seeds {seeds} --epochs {epochs}" + (f" --mixins {mixins}" if mixins else "")
    show(out, f"lesionless run {dataset} --out {out} {options}")


@app.command()
def ablation(
    name: Annotated[str, typer.Argument(help="Ablation of bundles/base/ablations, or the path of a .yaml.")],
    datasets: Annotated[list[Path], typer.Argument(help="Prepared datasets; fig7: one for each number of slices.")],
    out: Out = Path("runs/ablation"),
    seeds: Seeds = "0",
    epochs: Epochs = 300,
    mixins: Mixins = "",
) -> None:
    """Run a grid of settings and print its table beside the published values. Stopped, it goes on where it was."""
    numbers = [int(seed) for seed in seeds.split(",")]
    _print(run_ablation(name, datasets, out, numbers, mixins, max_epochs=epochs).round(3), str(out))


@app.command("report")
def show(
    runs: Annotated[Path, typer.Argument(help="Folder of results.")],
    command: Annotated[str, typer.Option(help="The command that the page names as its origin.")] = "",
) -> None:
    """Write `report.html` and `metrics.csv` of a folder of results, and print the table."""
    collect(runs)
    _print(report.table(report.load_results(runs), brief=True), str(runs))
    typer.echo(f"report: {report.page(runs, command=command or None)}")


def _print(table: pd.DataFrame, title: str) -> None:
    view = Table(*map(str, table.columns), title=title, box=box.SIMPLE_HEAD)
    for row in table.itertuples(index=False):
        view.add_row(*("–" if pd.isna(value) else str(value) for value in row))
    Console(width=max(Console().width, TABLE_WIDTH)).print(view)


@app.command("methods")
def list_methods(markdown: Annotated[bool, typer.Option(help="Print bundles/README.md.")] = False) -> None:
    """List the installed methods."""
    typer.echo(method_table() if markdown else "\n".join(available_methods()), nl=not markdown)


def main() -> None:
    """Run the command; a user's mistake ends with one line and exit status 2."""
    logging.getLogger("monai.bundle.workflows").setLevel(logging.WARNING)
    try:
        app()
    except (PipelineError, PreprocessingError) as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(2) from None
