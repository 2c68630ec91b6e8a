"""What is left of the average precision on images that have changed."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pipeline.errors import PipelineError
from pipeline.report.over_thresholds import COLUMN, SYMBOLS
from pipeline.report.plots import LIGHT, Theme, one_axes
from pipeline.report.results import find_runs, load_results, read_csv

TABLE, UNCHANGED = "shifts.csv", "none"


def shifts(runs: str | Path, theme: Theme = LIGHT) -> Figure:
    """Mean average precision of the scans on changed images, mean over seeds: a symbol a change, beside each method.

    The upright bar is the figure on the images as they are; methods are in its order. The axis need not begin at zero.

    Args:
        runs: results folder, after `lesionless examine`.
        theme: colours.

    Raises:
        PipelineError: no results, several protocols, or no run was measured on changed images since its evaluation.
    """
    methods = load_results(runs).drop_duplicates("method").set_index("method")
    table = _table(runs).pivot_table("scan_ap", "method", "shift", sort=False)
    table = table.sort_values(UNCHANGED, na_position="first")
    figure, ax = one_axes((COLUMN, 1.1 + 0.36 * len(table)), theme)
    changes = [name for name in table if name != UNCHANGED]
    offsets = np.linspace(0.27, -0.27, len(changes)) if len(changes) > 1 else [0.0]
    middles = np.arange(len(table))
    for name, offset, symbol, colour in zip(changes, offsets, cycle(SYMBOLS), cycle(theme.learned), strict=False):
        ax.hlines(middles + offset, table[UNCHANGED], table[name], color=colour, linewidth=1)
        ax.plot(table[name], middles + offset, symbol, color=colour, markersize=4.5, markeredgewidth=0, label=name)
    ax.plot(table[UNCHANGED], middles, "|", color=theme.ink, markersize=17, markeredgewidth=1.5)
    ax.plot([], [], "|", color=theme.ink, markersize=8, markeredgewidth=1.5, label="as they are")
    titles = [f"{methods.at[name, 'title']}{', floor' * bool(methods.at[name, 'floor'])}" for name in table.index]
    ax.set_yticks(range(len(table)), titles)
    ax.tick_params(labelsize=7)
    ax.set_ylim(-0.6, len(table) - 0.4)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("mean average precision of the scans", fontsize=8)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, labelcolor=theme.ink, fontsize=7)
    return figure


def _table(runs: str | Path) -> pd.DataFrame:
    """The figures of all runs that were measured on changed images after their evaluation."""
    files = [run.folder / TABLE for run in find_runs(runs)]
    known = [file for file in files if file.is_file() and _time(file) >= _time(file.with_name("metrics.csv"))]
    if not known:
        raise PipelineError(f"no run of '{runs}' was measured on changed images; `lesionless examine {runs}` does that")
    return pd.concat([read_csv(file) for file in known], ignore_index=True)


def _time(file: Path) -> float:
    return file.stat().st_mtime
