"""The settings of an ablation's grid: which runs belong to it, and their names in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

Grid = dict[str, Sequence[Any]]


def varied(grid: Grid) -> list[str]:
    """The keys with several values."""
    return [key for key, values in grid.items() if len(values) > 1]


def of_grid(table: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """The rows whose setting is one of the grid's."""
    inside = [table[key].isin(values) for key, values in grid.items()]
    return table[pd.concat(inside, axis=1).all(axis=1)]


def label(row: pd.Series, grid: Grid) -> str:
    """The values of the keys that vary, `300, instance`."""
    values = [row[key] for key in varied(grid)] or [row["method"]]
    return ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)


def title(row: pd.Series, grid: Grid) -> str:
    """The method and the keys that vary, `amcons, constraint weight 300`."""
    keys = [key for key in varied(grid) if key != "method"]
    values = [f"{key} {label(row, {key: grid[key]})}".replace("_", " ") for key in keys]
    return ", ".join([row["method"], *values])
