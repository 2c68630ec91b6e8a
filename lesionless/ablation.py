"""`lesionless ablation`: a grid of settings and its table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lesionless.console import print_table
from lesionless.logs import say
from lesionless.options import Epochs, Out, Presets, Quiet, Seeds, Verbose


def ablation(
    name: Annotated[str, typer.Argument(help="Ablation of bundles/base/ablations, or the path of a .yaml.")],
    datasets: Annotated[list[Path], typer.Argument(help="Prepared datasets; fig7: one for each number of slices.")],
    out: Out = Path("runs/ablation"),
    seeds: Seeds = "0",
    epochs: Epochs = 300,
    presets: Presets = "",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run a grid of settings and print its table beside the published values. Stopped, it goes on where it was."""
    from pipeline.ablation import run_ablation

    say(quiet, verbose)
    numbers = [int(seed) for seed in seeds.split(",")]
    print_table(run_ablation(name, datasets, out, numbers, presets, max_epochs=epochs).round(3), str(out))
