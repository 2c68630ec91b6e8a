"""`python -m preprocessing plan | run | rerun | slices | status | report | atlas | nyul | prior | phantom`."""

from __future__ import annotations

import sys

import typer
from rich.console import Console
from rich.markup import escape

from preprocessing.cli.atlas import atlas
from preprocessing.cli.nyul import nyul
from preprocessing.cli.phantom import phantom
from preprocessing.cli.plan import plan
from preprocessing.cli.prior import prior
from preprocessing.cli.report import report
from preprocessing.cli.run import rerun, run
from preprocessing.cli.slices import slices
from preprocessing.cli.status import status
from preprocessing.errors import PreprocessingError
from preprocessing.progress import say

app = typer.Typer(
    help="From raw scans to a prepared data set.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verb in (run, rerun, slices, plan, status, report, atlas, nyul, prior, phantom):
    app.command()(verb)


def main() -> None:
    """The command; a user's mistake is one line on stderr and exit status 2."""
    say()
    try:
        app()
    except (PreprocessingError, OSError) as error:
        Console(stderr=True).print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(2)
