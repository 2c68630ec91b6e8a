"""Curves over the threshold with their interval over the scans: precision-recall, ROC, Dice."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.report.at_thresholds import AtThresholds, at_thresholds
from pipeline.report.plots import DOTS, LIGHT, MARKERS, Theme, by_precision, style_axes, styles
from pipeline.report.results import Run, find_runs, load_results, thresholds

COLUMN = 3.4  # inches, a column of a journal
SYMBOLS = "oDX*<>Pph"
Array = NDArray[np.float64]


def precision_recall(runs: str | Path, theme: Theme = LIGHT) -> Figure:
    """Precision against recall, all test scans pooled; bands: 95 % of bootstrap draws over the scans.

    Raises:
        PipelineError: no results, several protocols, or no run kept its histogram.
    """
    return _figure(runs, theme, _pr, ("recall", "precision"), chance=True)


def roc(runs: str | Path, theme: Theme = LIGHT) -> Figure:
    """True against false positive rate, all test scans pooled; bands are 95 % of bootstrap draws over the scans.

    Raises:
        PipelineError: no results, several protocols, or no run kept its histogram.
    """
    figure = _figure(runs, theme, _roc, ("false positive rate", "true positive rate"))
    figure.axes[0].plot([0, 1], [0, 1], color=theme.ink, linestyle=DOTS, linewidth=1)
    return figure


def sensitivity(runs: str | Path, theme: Theme = LIGHT) -> Figure:
    """Pooled Dice against the share of the support that the mask holds, so that methods share an axis.

    Markers are the calibrated thresholds: their distance from the top is what a threshold without test labels costs.

    Raises:
        PipelineError: no results, several protocols, or no run kept its histogram.
    """
    figure = _figure(runs, theme, _dice, ("share of the pixels in the mask", "Dice"), marked=True)
    figure.axes[0].set(xscale="log", xlim=(1e-4, 1))
    return figure


def _pr(counts: AtThresholds, weights: Array) -> tuple[Array, Array]:
    """Recall and precision [R, K] of each weighting [R, S] of the scans."""
    tp, fp = weights @ counts.tp, weights @ counts.fp
    found = tp / np.maximum(weights @ counts.lesion, 1)[:, None]
    return found, np.where(tp + fp > 0, tp / np.maximum(tp + fp, 1), np.nan)


def _roc(counts: AtThresholds, weights: Array) -> tuple[Array, Array]:
    tp, fp = weights @ counts.tp, weights @ counts.fp
    lesion, normal = (np.maximum(weights @ part, 1)[:, None] for part in (counts.lesion, counts.normal))
    return fp / normal, tp / lesion


def _dice(counts: AtThresholds, weights: Array) -> tuple[Array, Array]:
    tp, fp = weights @ counts.tp, weights @ counts.fp
    size = tp + fp + (weights @ counts.lesion)[:, None]
    share = (tp + fp) / (weights @ (counts.lesion + counts.normal))[:, None]
    return share, np.where(share > 0, 2 * tp / np.maximum(size, 1), np.nan)


Curves = Callable[[AtThresholds, Array], tuple[Array, Array]]


def _figure(
    runs: str | Path,
    theme: Theme,
    curves: Curves,
    names: tuple[str, str],
    *,
    chance: bool = False,
    marked: bool = False,
) -> Figure:
    """The curves of all methods, of each the lowest seed; with the chance line, or with the calibrated thresholds.

    Learned methods and the best floor have a band.
    """
    rows = by_precision(load_results(runs))
    looks, calibrated = styles(rows, theme), thresholds(runs)
    figure, ax = column_axes(rows, theme)
    drawn = _counted(runs, rows["method"])
    floors = rows.drop_duplicates("method").set_index("method")["floor"]
    banded = {*floors.index[~floors.astype(bool)], *floors.index[floors.astype(bool)][:1]}
    for (run, counts), symbol in zip(drawn, cycle(SYMBOLS), strict=False):
        looks[run.method] |= {"marker": symbol, "markevery": 0.13, "markersize": 3.5, "linewidth": 1.2}
        _curve(ax, curves, counts, looks[run.method], run.method in banded)
        if marked:
            own = calibrated[(calibrated["method"] == run.method) & (calibrated["seed"] == run.seed)]
            _marks(ax, curves, counts, dict(zip(own["rule"], own["value"], strict=True)), looks[run.method]["color"])
    if chance:
        share = next(counts.lesion.sum() / (counts.lesion.sum() + counts.normal.sum()) for _, counts in drawn)
        ax.axhline(share, color=theme.ink, linestyle=DOTS, linewidth=1, label=f"chance {share:.3f}")
    xlabel, ylabel = names
    ax.set(xlim=(0, 1), ylim=(0, 1.01), xlabel=xlabel, ylabel=ylabel)
    figure.legend(loc="outside lower center", frameon=False, labelcolor=theme.ink, fontsize=7)
    return figure


def _counted(runs: str | Path, methods: Iterable[str]) -> list[tuple[Run, AtThresholds]]:
    """The run of the lowest seed of each method that kept its scores, in their order."""
    lowest = {run.method: run for run in reversed(find_runs(runs, dict.fromkeys(methods)))}
    drawn = [(run, counts) for run in reversed(lowest.values()) if (counts := at_thresholds(run)) is not None]
    if not drawn:
        raise PipelineError(f"no run of '{runs}' kept its scores, test.npz; evaluate a method again")
    return drawn


def column_axes(rows: pd.DataFrame, theme: Theme) -> tuple[Figure, Axes]:
    """A square of the width of a column, with room for a legend of all methods below."""
    size = (COLUMN, COLUMN + 0.16 * rows["method"].nunique())
    figure = Figure(figsize=size, facecolor=theme.paper, layout="constrained")
    ax = figure.subplots()
    style_axes(ax, theme)
    return figure, ax


def _curve(ax: Axes, curves: Curves, counts: AtThresholds, look: dict[str, Any], band: bool) -> None:
    """The curve of all scans, and behind it the band of the draws."""
    x, y = (values[0] for values in curves(counts, np.ones((1, len(counts.scans)))))
    known = np.isfinite(y)
    x, y = x[known], y[known]
    ax.plot(x, y, **look)
    if band and len(counts.scans) > 1:
        many = zip(*curves(counts, counts.draws().astype(float)), strict=True)
        at = [np.interp(x, a[np.isfinite(b)][::-1], b[np.isfinite(b)][::-1]) for a, b in many]
        low, high = np.percentile(at, [2.5, 97.5], axis=0)
        ax.fill_between(x, low, high, color=look["color"], alpha=0.12, linewidth=0)


def _marks(ax: Axes, curves: Curves, counts: AtThresholds, values: dict[str, float], colour: str) -> None:
    x, y = (found[0] for found in curves(counts, np.ones((1, len(counts.scans)))))
    for rule in set(values) & set(MARKERS):
        at = [np.interp(values[rule], counts.values, found) for found in (x, y)]
        ax.plot(*at, MARKERS[rule], color=colour, markersize=5, markeredgecolor=ax.get_facecolor())
