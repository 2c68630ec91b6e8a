"""`status`: how far a data set is."""

from __future__ import annotations

from collections import Counter

import typer

from preprocessing.cli.options import Out
from preprocessing.cohort.request import scan_states


def status(out: Out) -> None:
    """Say what is done, what failed and what waits, from the ledger."""
    counts: Counter[str] = Counter()
    for name, state, reason in scan_states(out):
        counts[state] += 1
        if state == "failed":
            typer.echo(f"{name}: {reason}")
    waiting = f", {counts['waiting']} waiting" if counts["waiting"] else ""
    typer.echo(f"{counts['done']} done, {counts['failed']} failed{waiting}")
    raise typer.Exit(1 if counts["failed"] else 0)
