"""`lesionless report`: the page and the table of a folder of results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lesionless.console import print_table

NEUROLOGICAL = "neurological"


def report(
    runs: Annotated[Path, typer.Argument(help="Folder of results.")],
    command: Annotated[
        str, typer.Option(help="Command that the page names as its origin; default: made from the rows.")
    ] = "",
    convention: Annotated[
        str, typer.Option(help="Side of the patient's left in pictures: neurological (left) or radiological (right).")
    ] = NEUROLOGICAL,
    figures: Annotated[Path | None, typer.Option(help="Folder for every figure as PDF and PNG.")] = None,
) -> None:
    """Write `report.html` and `metrics.csv` of a folder of results, and print the table."""
    from pipeline.leaderboard import collect
    from pipeline.report import load_results, page, table, write_figures

    collect(runs)
    print_table(table(load_results(runs), brief=True), str(runs))
    typer.echo(f"report: {page(runs, command=command or None, convention=convention)}")
    for name, why in write_figures(runs, figures, convention).items() if figures else ():
        typer.echo(f"{name}: {why or figures}")
