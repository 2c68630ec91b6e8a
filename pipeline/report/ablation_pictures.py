"""Pictures of ablations, by the name that an ablation asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.report.plots import LIGHT, Theme, style_axes

Grid = dict[str, Sequence[Any]]
FIGURES = {
    "auprc": "average precision",
    "intensity_correlation": "correlation with intensity",
    "entropy_gap": "log|B| − entropy, nats",
}
COLOURS = matplotlib.colormaps["viridis"]
WIDTH, HEIGHT = 3.3, 2.5


def over_training(followed: pd.DataFrame, grids: Sequence[Grid], theme: Theme = LIGHT) -> Figure:
    """Activation maps over training: a column a grid, a line a setting (mean of the seeds; thin: each seed).

    Rows: average precision, correlation with the image, distance of the entropy from its maximum (logarithmic). The map
    is that of the stage that a setting constrains. Epoch 0 is the untrained encoder.

    Args:
        followed: `attention.csv` of an ablation, the rows of one data set.
        grids: of the ablation; the keys with several values name the lines.
    """
    size = (WIDTH * len(grids) + 0.4, HEIGHT * len(FIGURES) + 1.4)
    figure = Figure(figsize=size, facecolor=theme.paper, layout="constrained")
    axes = figure.subplots(len(FIGURES), len(grids), squeeze=False, sharex=True, sharey="row")
    for column, grid in zip(axes.T, grids, strict=True):
        for ax in column:
            style_axes(ax, theme)
        _grid(column, followed, grid, theme)
    for ax, label in zip(axes[:, 0], FIGURES.values(), strict=True):
        ax.set_ylabel(label)
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_yscale("log")
    figure.suptitle(_title(followed), color=theme.ink, fontsize=10)
    return figure


def _title(followed: pd.DataFrame) -> str:
    first = followed.iloc[0]
    kind = "simulated scans" if first["simulated"] else "scans"
    return f"Activation maps over training: {first['dataset']}, {first['scans']} {kind} of the split {first['split']}"


def _grid(column: Sequence[Axes], followed: pd.DataFrame, grid: Grid, theme: Theme) -> None:
    varied = [key for key, values in grid.items() if len(values) > 1]
    inside = followed[pd.concat([followed[key].isin(values) for key, values in grid.items()], axis=1).all(axis=1)]
    inside = inside[inside["stage"] == inside.get("attention_stage", 1)]
    groups = list(inside.groupby(varied or ["method"], sort=False))
    for i, (values, rows) in enumerate(groups):
        label = ", ".join(map(_short, values if isinstance(values, tuple) else (values,)))
        colour = COLOURS(0.8 * i / max(len(groups) - 1, 1))
        for ax, name in zip(column, FIGURES, strict=True):
            for _, seed in rows.groupby("seed"):
                ax.plot(seed["epoch"], seed[name], color=colour, linewidth=0.6, alpha=0.5)
            mean = rows.groupby("epoch")[name].mean()
            ax.plot(mean.index, mean, color=colour, linewidth=1.8, label=label)
    column[0].set_title(" × ".join(varied).replace("_", " "), color=theme.ink, fontsize=9)
    legend: dict[str, Any] = {"frameon": False, "labelcolor": theme.ink, "fontsize": 8}
    column[0].legend(**legend)


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


PICTURES: dict[str, Callable[[pd.DataFrame, Sequence[Grid]], Figure]] = {"over_training": over_training}
