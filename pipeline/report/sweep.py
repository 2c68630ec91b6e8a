"""A figure against a setting: slices (Silva-Rodríguez 2022, Fig. 3), β (Fig. 7), any other key of an ablation."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipeline.errors import check_choice
from pipeline.report.plots import LIGHT, Theme, style_axes

MARKERS = "osD^vP"


def sweep(table: pd.DataFrame, setting: str, figure: str = "auprc", theme: Theme = LIGHT) -> Figure:
    """The figure against the setting, a line a method: mean over seeds, bars one standard deviation.

    Settings that differ in another key as well are drawn as one point each, so that none is averaged away.

    Args:
        table: from `pipeline.ablation.run_ablation`, or its `ablation.csv`.
        setting: a column of numbers, `slices`, `constraint_weight`.
        figure: a column that the ablation measured.
        theme: colours.

    Raises:
        PipelineError: no such column; the message lists the choices.
    """
    for column in (setting, figure):
        check_choice("column", column, table.select_dtypes("number").columns)
    drawn = Figure(figsize=(3.4, 2.7), facecolor=theme.paper, layout="constrained")
    ax = drawn.subplots()
    style_axes(ax, theme)
    look = zip(cycle(theme.learned), cycle(MARKERS))
    for (method, rows), (colour, marker) in zip(table.sort_values(setting).groupby("method"), look, strict=False):
        line = "-" if rows[setting].is_unique else "none"
        style: dict[str, Any] = {"color": colour, "marker": marker, "linestyle": line, "markersize": 5, "capsize": 2}
        ax.errorbar(rows[setting], rows[figure], rows[f"{figure}_sd"].fillna(0.0), **style, label=method)
    values = table[setting].dropna()
    if values.min() > 0 and values.max() > 20 * values.min():
        ax.set_xscale("log")
    ax.set(xlabel=setting.replace("_", " "), ylabel=figure)
    ax.legend(frameon=False, labelcolor=theme.ink, fontsize=8)
    return drawn
