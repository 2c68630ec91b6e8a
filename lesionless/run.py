"""`lesionless run`: methods × seeds on a prepared dataset, as jobs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    names,
    numbers,
)
from lesionless.report import report
from lesionless.words import counted

if TYPE_CHECKING:
    from pipeline.jobs import Job

Jobs = Annotated[
    int, typer.Option("--jobs", min=1, help="Processes, each of which runs one method and seed at a time.")
]
ExecutorName = Annotated[str, typer.Option(help="processes, or dask://HOST:PORT (docs/CLUSTERS.md).")]


def run(
    dataset: Annotated[Path, typer.Argument(help="Prepared dataset, the output of `python -m preprocessing run`.")],
    out: Out = Path("runs"),
    methods: Methods = DEMO_METHODS,
    seeds: Seeds = "0",
    epochs: OwnEpochs = None,
    presets: Presets = "",
    settings: Overrides = None,
    jobs: Jobs = 1,
    executor: ExecutorName = "processes",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train, calibrate and evaluate methods on a prepared dataset, and write the report; run again, it continues."""
    from pipeline.jobs import plan
    from pipeline.recipe import parse_overrides

    say(quiet, verbose)
    given = parse_overrides([*(settings or []), *([] if epochs is None else [f"max_epochs={epochs}"])])
    planned = plan(names(methods), dataset, out, numbers(seeds), presets, **given)
    start(planned, out, jobs, executor, dataset=str(dataset))


def start(
    planned: Sequence[Job], out: Path, jobs: int, executor: str, *, failed_only: bool = False, dataset: str = "DATASET"
) -> None:
    """Run jobs and write the report of what is done; exit status 1: a job failed, 130: interrupted."""
    from lesionless.jobs import run_jobs
    from pipeline.lock import locked

    try:
        with locked(out):
            outcome = run_jobs(planned, jobs, executor, failed_only=failed_only)
    except KeyboardInterrupt:
        typer.echo(f"interrupted; what is done stays, `lesionless rerun {out}` goes on", err=True)
        raise typer.Exit(130) from None
    if len(outcome.failed) < len(planned):
        report(out, origin(out, dataset))
    typer.echo(f"{out}: {counted(outcome.ran, 'job')} ran, {outcome.skipped} not due, {len(outcome.failed)} failed")
    for name, reason in outcome.failed.items():
        typer.echo(f"failed: {name}: {reason}", err=True)
    if outcome.failed:
        typer.echo(f"`lesionless rerun {out} --failed` tries them again", err=True)
        raise typer.Exit(1)


def origin(out: Path, dataset: str) -> str:
    """The commands that make the rows of a folder again."""
    from pipeline.leaderboard import collect
    from pipeline.recipe import commands

    return "\n".join(commands(collect(out), dataset, str(out)))
