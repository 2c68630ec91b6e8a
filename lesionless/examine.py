"""`lesionless examine`: where the methods of a folder of results are good, and where they are not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesionless.console import print_table
from lesionless.options import names

if TYPE_CHECKING:
    import pandas as pd

# of each table: what a row is, what a column is, and the figure
WIDE = {
    "by_lesion.csv": (["method"], ["by", "group"], "scan_ap"),
    "false_volume.csv": (["where", "method"], ["rule"], "mean_ml"),
    "shifts.csv": (["method"], ["shift"], "scan_ap"),
}


def examine(
    runs: Annotated[Path, typer.Argument(help="Folder of results.")],
    methods: Annotated[
        str, typer.Option(help="Methods that are scored again under the shifts, separated by commas; default: all.")
    ] = "",
    shifts: Annotated[bool, typer.Option(help="Score all test scans again, blurred and with other contrasts.")] = True,
) -> None:
    """Write tables by lesion size and brightness, of false positives, and of images that have changed.

    For runs with the preset `follow_scores`, also draw the scores over training, and tell what its stopping rule lost.
    """
    from pipeline.examine import by_lesion, false_volumes, under_shift
    from pipeline.files import write_csv
    from pipeline.report import stopping_rule, training_curves, training_scores

    tables = {"by_lesion.csv": by_lesion(runs), "false_volume.csv": false_volumes(runs)}
    if shifts:
        tables["shifts.csv"] = under_shift(runs, names(methods) if methods else None)
    for name, table in tables.items():
        write_csv(runs / name, table)
        print_table(wide(table, *WIDE[name]), str(runs / name))
    scores = training_scores(runs)
    if len(scores):
        stops = stopping_rule(scores)
        write_csv(runs / "stopping.csv", stops)
        print_table(stops.round(3), str(runs / "stopping.csv"))
        training_curves(scores).savefig(runs / "training.png", dpi=150)


def wide(table: pd.DataFrame, rows: list[str], columns: list[str], figure: str) -> pd.DataFrame:
    """A row a method, a column a group, and the mean of a figure over seeds."""
    order = table[columns].agg(": ".join, axis=1)
    found = table.assign(column=order).pivot_table(figure, rows, "column", sort=False)
    return found.round(3).reset_index()
