"""`lesionless run`: methods on a prepared dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lesionless.logs import say
from lesionless.options import (
    DEMO_METHODS,
    Methods,
    Out,
    Overrides,
    OwnEpochs,
    Presets,
    Quiet,
    Seeds,
    Verbose,
    numbers,
)
from lesionless.report import report


def run(
    dataset: Annotated[Path, typer.Argument(help="Prepared dataset, the output of `python -m preprocessing run`.")],
    out: Out = Path("runs"),
    methods: Methods = DEMO_METHODS,
    seeds: Seeds = "0",
    epochs: OwnEpochs = None,
    presets: Presets = "",
    settings: Overrides = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train, calibrate and evaluate methods on a prepared dataset, and write the report."""
    from pipeline.leaderboard import run_leaderboard
    from pipeline.recipe import commands, parse_overrides

    say(quiet, verbose)
    given = parse_overrides([*(settings or []), *([] if epochs is None else [f"max_epochs={epochs}"])])
    results = run_leaderboard(methods.split(","), dataset, out, numbers(seeds), presets, **given)
    report(out, "\n".join(commands(results, str(dataset), str(out))))
