"""`lesionless tables`: the tables of a paper, with what was measured here beside what was published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lesionless.console import print_table


def tables(
    runs: Annotated[Path, typer.Argument(help="Folder of results, of one protocol.")],
    paper: Annotated[str, typer.Option(help="silva2022 or bercea2022.")],
    document: Annotated[
        Path | None, typer.Option(help="Markdown file with comments that name tables, to write them into.")
    ] = None,
) -> None:
    """Write the tables of a paper as CSV, Markdown, LaTeX and HTML, and the ranking with its stability."""
    from pipeline.papers import fill, write_tables

    written = write_tables(runs, paper)
    print_table(written.ranking.round(3), f"{runs}: ranking by AUPRC over resampled patients")
    for reason in written.left_out:
        typer.echo(f"left out: {reason}")
    for file in written.files:
        typer.echo(str(file))
    if document:
        typer.echo(f"{document}: {', '.join(fill(document, runs, written.files))}")
