"""`lesionless methods`: what is installed."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.catalogue import available_methods, method_table


def methods(markdown: Annotated[bool, typer.Option(help="Print bundles/README.md.")] = False) -> None:
    """List the installed methods."""
    typer.echo(method_table() if markdown else "\n".join(available_methods()), nl=not markdown)
