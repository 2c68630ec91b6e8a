"""`lesionless ablation`: a grid of settings and its table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lesionless.console import print_table
from lesionless.logs import say
from lesionless.options import Out, Overrides, OwnEpochs, Presets, Quiet, Seeds, Verbose, numbers


def ablation(
    name: Annotated[str, typer.Argument(help="Ablation of bundles/base/ablations, or the path of a .yaml.")],
    datasets: Annotated[
        list[Path], typer.Argument(help="Prepared datasets; `fig7` needs one for each number of slices.")
    ],
    out: Out = Path("runs/ablation"),
    seeds: Seeds = "0",
    epochs: OwnEpochs = None,
    presets: Presets = "",
    settings: Overrides = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run a grid of settings and print its table beside the published values; run again, it continues."""
    from pipeline.ablation import run_ablation
    from pipeline.recipe import parse_overrides

    say(quiet, verbose)
    given = parse_overrides([*(settings or []), *([] if epochs is None else [f"max_epochs={epochs}"])])
    print_table(run_ablation(name, datasets, out, numbers(seeds), presets, **given).round(3), str(out))
