"""Distributions of anomaly scores of normal and of lesion pixels (Silva-Rodríguez 2022, Figs 4 to 6)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.metrics import Counts, ScoreHistogram, overlap_share
from pipeline.metrics.percentiles import percentile
from pipeline.report.plots import LIGHT, Theme, style_axes
from pipeline.report.results import CARD, find_runs, load_results
from pipeline.report.settings import Grid, of_grid, title

BINS = 80
ENDS = (0.1, 99.9)
WIDTH, HEIGHT = 3.3, 2.4
SCANS = {"calibration.npz": "held-out normals", "test.npz": "test scans"}


def distributions(runs: pd.DataFrame, grids: Sequence[Grid], theme: Theme = LIGHT) -> Figure:
    """Scores of the support pixels, a column a setting (of the lowest seed): of held-out normals, and of test scans.

    Settings of one method share the axis of the scores, from the 0.1th to the 99.9th percentile of their normals and
    lesions; what lies beyond is in the outer bins. `overlap`: see `pipeline.metrics.overlap_share`.
    """
    chosen = [_first(of_grid(runs, grid), grid) for grid in grids]
    columns = [(row, title(row, grid)) for rows, grid in zip(chosen, grids, strict=True) for _, row in rows.iterrows()]
    size = (WIDTH * len(columns) + 0.4, HEIGHT * len(SCANS) + 0.8)
    figure = Figure(figsize=size, facecolor=theme.paper, layout="constrained")
    axes = figure.subplots(len(SCANS), len(columns), squeeze=False, sharex="col", sharey="row")
    counts = [[ScoreHistogram.load(row["folder"] / name).pooled() for name in SCANS] for row, _ in columns]
    methods = [row["method"] for row, _ in columns]
    for column, (row, text), found in zip(axes.T, columns, counts, strict=True):
        same = [c for method, both in zip(methods, counts, strict=True) if method == row["method"] for c in both]
        edges = np.linspace(min(_end(c, ENDS[0]) for c in same), max(_end(c, ENDS[1]) for c in same), BINS + 1)
        for ax, of_scans, kind in zip(column, found, SCANS.values(), strict=True):
            style_axes(ax, theme)
            _panel(ax, of_scans, edges, kind, theme)
        column[0].set_title(text, color=theme.ink, fontsize=9)
        column[-1].set_xlabel("anomaly score")
    for ax in axes[:, 0]:
        ax.set_ylabel("share of pixels")
    first = runs.iloc[0]
    kind = "simulated scans" if first["simulated"] else "scans"
    figure.suptitle(f"Scores of normal and lesion pixels: {first['dataset']}, {kind}", color=theme.ink, fontsize=10)
    return figure


def scores(runs: str | Path, methods: Sequence[str], theme: Theme = LIGHT) -> Figure:
    """Scores of normal and of lesion pixels, a column a method, of its lowest seed.

    Args:
        runs: results folder.
        methods: that kept the histograms of normals and of test scans.
        theme: colours.
    """
    results, found = load_results(runs), find_runs(runs, methods)
    named = {name: results.iloc[0][f"{CARD}{name}"] for name in ("dataset", "simulated")}
    table = pd.DataFrame([{"method": run.method, "seed": run.seed, "folder": run.folder, **named} for run in found])
    return distributions(table, [{"method": list(methods)}], theme)


def _first(runs: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """The run of the lowest seed of each setting."""
    return runs.sort_values("seed", kind="stable").drop_duplicates(list(grid)).sort_index()


def _end(counts: Counts, q: float) -> float:
    return float(percentile(counts, q))


def _panel(ax: Axes, counts: Counts, edges: np.ndarray, scans: str, theme: Theme) -> None:
    inside = np.clip(counts.lower, edges[0], edges[-1])
    classes = {"normal": (counts.negatives, theme.learned[0]), "lesion": (counts.positives, theme.learned[1])}
    for name, (pixels, colour) in classes.items():
        if pixels.sum():
            share, _ = np.histogram(inside, edges, weights=pixels / pixels.sum())
            look: dict[str, Any] = {"fill": True, "facecolor": colour, "edgecolor": colour, "alpha": 0.45}
            ax.stairs(share, edges, **look, label=f"{scans}, {name} pixels")
    if counts.n_positive:
        ax.plot([], [], " ", label=f"overlap {overlap_share(counts):.3f}")
    ax.legend(frameon=False, labelcolor=theme.ink, fontsize=7.5, loc="upper left")
