"""Plots of figures: precision-recall curves with operating points, and average precision with its interval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.metrics.counts import Counts
from pipeline.metrics.curves import confusion, pr_curve
from pipeline.metrics.histogram import ScoreHistogram
from pipeline.report.results import find_runs, load_results, thresholds

MARKERS = {"val_op": "o", "p90": "v", "p95": "s", "p98": "^"}
DASHES = [(0, (6, 2)), (0, (4, 1, 1, 1)), (0, (2, 1.5)), (0, (8, 2, 2, 2))]
DOTS = (0, (1, 2))
POINTS = 400


@dataclass(frozen=True)
class Theme:
    """Colours of a plot; the learned methods' are Okabe and Ito's (2008), which colour-blind readers can tell apart."""

    paper: str
    ink: str
    grid: str
    floor: str
    learned: tuple[str, ...]


ON_LIGHT = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#a86f00", "#000000")
ON_DARK = ("#56b4e9", "#ff8c42", "#2fc99b", "#e59fc4", "#f0e442", "#ffffff")
LIGHT = Theme("#ffffff", "#1c2024", "#d9dce0", "#6b7178", ON_LIGHT)
DARK = Theme("#1b1e22", "#e9eaec", "#3a3f46", "#a2a8b0", ON_DARK)


def curves(runs: str | Path, theme: Theme = LIGHT, *, mixed: bool = False) -> Figure:
    """Precision-recall curves of all methods on the test scans, one line a seed, from the pooled score histograms.

    The chance line is the share of lesion pixels. Markers are the masks at the saved thresholds, of the lowest seed.

    Raises:
        PipelineError: no results, or results of several protocols and `mixed` is false.
    """
    rows = by_precision(load_results(runs, mixed=mixed))
    figure, ax = one_axes((5.8, 5.6), theme)
    looks, points, share = styles(rows, theme), thresholds(runs), None
    for run in find_runs(runs, dict.fromkeys(rows["method"])):
        if not (run.folder / "test.npz").is_file():
            continue
        counts, style = ScoreHistogram.load(run.folder / "test.npz").pooled(), looks[run.method]
        share = counts.n_positive / (counts.n_positive + counts.n_negative)
        label = style.pop("label", None)
        ax.plot(*thinned(counts), **style, alpha=1 if label else 0.45, label=label)
        if label:
            own = points[(points["method"] == run.method) & (points["seed"] == run.seed)]
            _operating_points(ax, counts, own, style["color"])
    if share is not None:
        ax.axhline(share, color=theme.ink, linewidth=1.2, linestyle=DOTS, label=f"chance: lesion share {share:.3f}")
    ax.set(xlim=(0, 1), ylim=(0, 1.01), xlabel="recall: share of the lesion pixels that are marked")
    ax.set_ylabel("precision: share of the marked pixels that are lesion")
    _legends(figure, ax, points, theme)
    return figure


def by_precision(results: pd.DataFrame) -> pd.DataFrame:
    """Learned methods before floors, in each the highest average precision first; the seeds of a method together."""
    mean = results.groupby("method")["auprc"].transform("mean")
    ordered = results.assign(_mean=-mean).sort_values(["floor", "_mean", "method", "seed"], kind="stable")
    return ordered.drop(columns="_mean")


def one_axes(size: tuple[float, float], theme: Theme) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, facecolor=theme.paper, layout="constrained")
    ax = figure.add_subplot()
    style_axes(ax, theme)
    return figure, ax


def style_axes(ax: Axes, theme: Theme) -> None:
    """Grid, ticks and colours of every plot."""
    ax.set_facecolor(theme.paper)
    ax.grid(color=theme.grid, linewidth=0.7)
    ax.set_axisbelow(True)
    ax.tick_params(colors=theme.ink, length=0, pad=5, labelsize=9)
    for label in (ax.xaxis.label, ax.yaxis.label):
        label.set(color=theme.ink, size=9)
    for spine in ax.spines.values():
        spine.set_color(theme.grid)


def styles(results: pd.DataFrame, theme: Theme) -> dict[str, dict[str, Any]]:
    """Line style and label of each method: a colour a learned method, a dash a floor; the same in every plot."""
    colours, dashes = cycle(theme.learned), cycle(DASHES)
    styles: dict[str, dict[str, Any]] = {}
    for method, rows in results.sort_values("method").groupby("method"):
        title, area = rows["title"].iloc[0], rows["auprc"].mean()
        if rows["floor"].iloc[0]:
            look = {"color": theme.floor, "linestyle": next(dashes), "linewidth": 1.4}
            look["label"] = f"{title}, floor (AP {area:.3f})"
        else:
            look = {"color": next(colours), "linewidth": 2.0, "label": f"{title} (AP {area:.3f})"}
        styles[str(method)] = look
    return styles


def thinned(counts: Counts) -> tuple[np.ndarray, np.ndarray]:
    """At most POINTS points of the curve, evenly spaced in recall, with its two ends."""
    curve = pr_curve(counts)
    if not counts.n_positive:
        return np.empty(0), np.empty(0)
    kept = np.unique(np.searchsorted(curve.x, np.linspace(curve.x[0], 1, POINTS)).clip(0, len(curve.x) - 1))
    return curve.x[kept], curve.y[kept]


def _operating_points(ax: Axes, counts: Counts, points: pd.DataFrame, colour: str) -> None:
    for rule, value in zip(points["rule"], points["value"], strict=True):
        if rule in MARKERS:
            at, edge = confusion(counts, float(value)), ax.get_facecolor()
            ax.plot(at.recall, at.precision, MARKERS[rule], color=colour, markersize=6, markeredgecolor=edge)


def _legends(figure: Figure, ax: Axes, points: pd.DataFrame, theme: Theme) -> None:
    look: dict[str, Any] = {"frameon": False, "labelcolor": theme.ink, "fontsize": 8.5}
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2, **look)
    rules = [rule for rule in MARKERS if rule in set(points["rule"])]
    handles = [Line2D([], [], color=theme.floor, marker=MARKERS[rule], linestyle="none", label=rule) for rule in rules]
    if handles:
        legend = ax.legend(handles=handles, title="mask at", title_fontsize=8.5, loc="upper right", **look)
        legend.get_title().set_color(theme.ink)


def ranking(results: pd.DataFrame, theme: Theme = LIGHT) -> Figure:
    """Average precision with its 95 % patient interval, one line a method and seed; floors are grey and open.

    Args:
        results: from `load_results`.
    """
    order = results.groupby("method")["auprc"].mean().sort_values(na_position="first").index
    figure, ax = one_axes((5.8, 0.7 + 0.36 * len(order)), theme)
    looks = styles(results, theme)
    for y, method in enumerate(order):
        rows = results[results["method"] == method]
        for shift, row in zip(_shifts(len(rows)), rows.to_dict("records"), strict=True):
            _interval(ax, y + shift, row, looks[method]["color"], theme)
    if "lesion_share" in results.columns:
        ax.axvline(results["lesion_share"].mean(), color=theme.ink, linewidth=1.2, linestyle=DOTS)
    titles = results.drop_duplicates("method").set_index("method")["title"]
    ax.set_yticks(range(len(order)), [str(titles[method]) for method in order])
    ax.set(xlim=(0, 1), ylim=(-0.6, len(order) - 0.4))
    ax.set_xlabel("average precision, 95 % interval over patients; dotted: chance")
    ax.grid(visible=False, axis="y")
    return figure


def _shifts(count: int) -> Iterator[float]:
    return iter(np.linspace(0.16, -0.16, count) if count > 1 else [0.0])


def _interval(ax: Axes, y: float, row: dict[Any, Any], colour: str, theme: Theme) -> None:
    low, high = row.get("auprc_ci_low", np.nan), row.get("auprc_ci_high", np.nan)
    ax.plot([low, high], [y, y], color=colour, linewidth=2, solid_capstyle="butt")
    ax.plot(row["auprc"], y, "o", color=colour, markersize=7, markerfacecolor=theme.paper if row["floor"] else colour)
