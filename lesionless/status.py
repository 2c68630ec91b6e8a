"""`lesionless status`: how far the jobs of a folder of results are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer


def status(runs: Annotated[Path, typer.Argument(help="Folder of results.")]) -> None:
    """Say what is done, runs, failed and waits, from the status files; exit status 1 where a job failed."""
    from pipeline import ledger
    from pipeline.lock import held

    at_work = held(runs)
    states: Counter[str] = Counter()
    seconds = 0.0
    for name, record in ledger.records(runs):
        state = record["state"]
        states["stopped" if state == ledger.RUNNING and not at_work else state] += 1
        seconds += record["seconds"] if state == ledger.DONE else 0.0
        if state == ledger.FAILED:
            typer.echo(f"failed: {name}: {record['reason']}")
        if state == ledger.RUNNING and at_work:
            typer.echo(f"running: {name}, on {record['where']}")
    typer.echo(", ".join(f"{states[state]} {state}" for state in _order(states)) + left(states, seconds))
    raise typer.Exit(1 if states[ledger.FAILED] else 0)


def _order(states: Counter[str]) -> list[str]:
    return [state for state in ("done", "running", "stopped", "failed", "waiting") if states[state] or state == "done"]


def left(states: Counter[str], seconds: float) -> str:
    """The time that is left where jobs run, were the others as long as those that are done."""
    from pipeline.progress import duration

    waiting = states["running"] + states["waiting"]
    if not (states["running"] and states["done"]):
        return ""
    return f"; about {duration(seconds / states['done'] * waiting / states['running'])} left"
