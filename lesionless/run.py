"""`lesionless run`: methods on a prepared dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lesionless.logs import say
from lesionless.options import DEMO_METHODS, Epochs, Methods, Out, Presets, Quiet, Seeds, Verbose
from lesionless.report import report


def run(
    dataset: Annotated[Path, typer.Argument(help="Prepared dataset, the output of `python -m preprocessing run`.")],
    out: Out = Path("runs"),
    methods: Methods = DEMO_METHODS,
    seeds: Seeds = "0",
    epochs: Epochs = 300,
    presets: Presets = "",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train, calibrate and evaluate methods on a prepared dataset, and write the report."""
    from pipeline.leaderboard import run_leaderboard

    say(quiet, verbose)
    names, numbers = methods.split(","), [int(seed) for seed in seeds.split(",")]
    run_leaderboard(names, dataset, out, numbers, presets, max_epochs=epochs)
    options = f"--methods {methods} --seeds {seeds} --epochs {epochs}" + (f" --presets {presets}" if presets else "")
    report(out, f"lesionless run {dataset} --out {out} {options}")
