"""Dice of each scan against the volume of its lesion."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pipeline.errors import check_choice
from pipeline.report.over_thresholds import SYMBOLS, column_axes
from pipeline.report.plots import LIGHT, Theme, by_precision, styles
from pipeline.report.results import load_results, load_scans


def volumes(runs: str | Path, rule: str = "val_op", theme: Theme = LIGHT) -> Figure:
    """Dice of each scan with a lesion against its volume, mean over seeds; lines join the medians of three thirds.

    Args:
        runs: results folder.
        rule: threshold rule of the Dice.
        theme: colours.

    Raises:
        PipelineError: no results, several protocols, or no figure at that rule; the message lists the choices.
    """
    rows, scans = by_precision(load_results(runs)), load_scans(runs)
    check_choice("threshold", rule, [name[5:] for name in scans.columns if name.startswith("dice@")])
    figure, ax = column_axes(rows, theme)
    looks = styles(rows, theme)
    columns = ["lesion_ml", f"dice@{rule}"]
    means = scans[scans["lesion_ml"] > 0].groupby(["method", "scan"])[columns].mean()
    known = dict.fromkeys(rows["method"].loc[rows["method"].isin(means.index.get_level_values(0))])
    for method, symbol in zip(known, cycle(SYMBOLS), strict=False):
        own = means.loc[method].sort_values("lesion_ml").to_numpy()
        ax.plot(*own.T, symbol, color=looks[method]["color"], markersize=2.5, alpha=0.5)
        thirds = [np.median(part, axis=0) for part in np.array_split(own, 3) if len(part)]
        ax.plot(*np.transpose(thirds), **{**looks[method], "linewidth": 1.2}, marker=symbol, markersize=5)
    ax.set(xscale="log", ylim=(0, 1), xlabel="lesion volume, mL", ylabel=f"Dice of the scan at {rule}")
    figure.legend(loc="outside lower center", frameon=False, labelcolor=theme.ink, fontsize=7)
    return figure
