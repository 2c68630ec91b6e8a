"""Pictures of ablations, by the name that an ablation asks for: `(runs, grids) -> figure`.

`runs` has a row a run of one data set: `dataset`, `simulated`, the setting, `seed`, and `folder`, where its files are.
`grids` are those of the ablation; their keys with several values name what is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.report.distributions import distributions
from pipeline.report.plots import LIGHT, Theme, style_axes
from pipeline.report.settings import Grid, label, of_grid, varied

MAPS = {
    "auprc": "average precision",
    "intensity_correlation": "correlation with intensity",
    "entropy_gap": "log|B| − entropy, nats",
}
GRADCAM = {
    "gradcam_correlation": "correlation with Grad-CAM",
    "auprc": "average precision, activation map",
    "gradcam_auprc": "average precision, Grad-CAM",
}
LOGARITHMIC = ("entropy_gap",)
COLOURS = matplotlib.colormaps["viridis"]
WIDTH, HEIGHT = 3.3, 2.5


def followed(runs: pd.DataFrame) -> pd.DataFrame:
    """What `FollowMaps` wrote in each of the runs, with the setting; empty where none was followed."""
    tables = [pd.DataFrame()]
    for run in runs.to_dict("records"):
        path = run.pop("folder") / "attention.csv"
        if path.is_file():
            tables.append(pd.read_csv(path).assign(**run))
    return pd.concat(tables)


def over_training(
    runs: pd.DataFrame, grids: Sequence[Grid], theme: Theme = LIGHT, *, figures: Mapping[str, str] = MAPS
) -> Figure:
    """Activation maps over training: a column a grid, a row a figure, a line a setting (mean of the seeds; thin: each).

    The map is that of the stage that a setting constrains. Epoch 0 is the untrained encoder.
    """
    table = followed(runs)
    size = (WIDTH * max(len(grids), 2) + 0.4, HEIGHT * len(figures) + 1.0)
    figure = Figure(figsize=size, facecolor=theme.paper, layout="constrained")
    axes = figure.subplots(len(figures), len(grids), squeeze=False, sharex=True, sharey="row")
    for column, grid in zip(axes.T, grids, strict=True):
        _grid(column, of_grid(table, grid), grid, list(figures), theme)
    for ax, name in zip(axes[:, 0], figures, strict=True):
        ax.set_ylabel(figures[name])
        if name in LOGARITHMIC:
            ax.set_yscale("log")
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    first = table.iloc[0]
    kind = "simulated scans" if first["simulated"] else "scans"
    title = f"Activation maps over training: {first['dataset']}, {first['scans']} {kind} of the split {first['split']}"
    figure.suptitle(title, color=theme.ink, fontsize=10)
    return figure


def _grid(column: Sequence[Axes], table: pd.DataFrame, grid: Grid, names: Sequence[str], theme: Theme) -> None:
    table = table[table["stage"] == table.get("attention_stage", 1)]
    groups = list(table.groupby(varied(grid) or ["method"]))
    for ax in column:
        style_axes(ax, theme)
    for i, (_, rows) in enumerate(groups):
        look: dict[str, Any] = {"color": COLOURS(0.8 * i / max(len(groups) - 1, 1))}
        for ax, name in zip(column, names, strict=True):
            for _, seed in rows.groupby("seed"):
                ax.plot(seed["epoch"], seed[name], **look, linewidth=0.6, alpha=0.5)
            mean = rows.groupby("epoch")[name].mean()
            ax.plot(mean.index, mean, **look, linewidth=1.8, label=label(rows.iloc[0], grid))
    text = f"{', '.join(grid['method'])}:\n{' × '.join(varied(grid))}".replace("_", " ")
    column[0].set_title(text, color=theme.ink, fontsize=9)
    column[0].legend(frameon=False, labelcolor=theme.ink, fontsize=8)


PICTURES: dict[str, Callable[[pd.DataFrame, Sequence[Grid]], Figure]] = {
    "over_training": over_training,
    "gradcam": partial(over_training, figures=GRADCAM),
    "distributions": distributions,
}
