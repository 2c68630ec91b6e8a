"""Tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd

TABLE_WIDTH = 172


def print_table(table: pd.DataFrame, title: str) -> None:
    """Print a data frame without its index; what is missing is a dash."""
    view = Table(*map(str, table.columns), title=title, box=box.SIMPLE_HEAD)
    missing = table.isna()
    for row, absent in zip(table.itertuples(index=False), missing.itertuples(index=False), strict=True):
        view.add_row(*("–" if gone else str(value) for value, gone in zip(row, absent, strict=True)))
    Console(width=max(Console().width, TABLE_WIDTH)).print(view)
