"""`lesionless methods`: what is installed."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.catalogue import available_methods, method_table


def methods(
    markdown: Annotated[bool, typer.Option(help="Print bundles/README.md.")] = False,
    metadata: Annotated[bool, typer.Option(help="Write the metadata.json of each method from its facts.yaml.")] = False,
) -> None:
    """List the installed methods."""
    if metadata:
        from pipeline.metadata import write_metadata

        typer.echo("".join(f"{path}\n" for path in write_metadata()), nl=False)
        return
    typer.echo(method_table() if markdown else "\n".join(available_methods()), nl=not markdown)
