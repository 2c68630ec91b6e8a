"""`lesionless report`: the page and the table of a folder of results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lesionless.console import print_table


def report(
    runs: Annotated[Path, typer.Argument(help="Folder of results.")],
    command: Annotated[str, typer.Option(help="The command that the page names as its origin.")] = "",
) -> None:
    """Write `report.html` and `metrics.csv` of a folder of results, and print the table."""
    from pipeline.leaderboard import collect
    from pipeline.report import load_results, page, table

    collect(runs)
    print_table(table(load_results(runs), brief=True), str(runs))
    typer.echo(f"report: {page(runs, command=command or None)}")
