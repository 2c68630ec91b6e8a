"""`lesionless rerun`: a folder of results goes on."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesionless.logs import say
from lesionless.options import Quiet, Verbose
from lesionless.run import ExecutorName, Jobs, start

if TYPE_CHECKING:
    from pipeline.jobs import Job


def rerun(
    runs: Annotated[Path, typer.Argument(help="Folder of results.")],
    failed: Annotated[bool, typer.Option("--failed", help="Only the jobs that failed.")] = False,
    jobs: Jobs = 1,
    executor: ExecutorName = "processes",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Go on with everything that `lesionless run` was asked for in a folder, and try again what failed."""
    from lesionless.jobs import planned_again
    from pipeline import ledger
    from pipeline.jobs import plan
    from pipeline.recipe import parse_overrides

    say(quiet, verbose)
    planned: list[Job] = []
    for asked, seeds in planned_again(record for _, record in ledger.records(runs)):
        given = parse_overrides(shlex.split(asked["overrides"]))
        planned += plan([asked["method"]], asked["dataset_dir"], runs, seeds, asked["presets"], **given)
    start(planned, runs, jobs, executor, failed_only=failed)
