"""Montage: what a method marks on held-out scans, beside what an expert marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import fill

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from pipeline.errors import PipelineError, check_choice
from pipeline.metrics import ScoreHistogram
from pipeline.metrics.percentiles import percentile
from pipeline.metrics.thresholds import load_thresholds
from pipeline.report.results import Run, find_runs, read_csv
from pipeline.report.views import View, anomaly_map, field, lesion_scans, upright, view

PAPER, INK, MUTED = "#14161a", "#f2f2f0", "#b4b7bd"
LESION, MASK = "#56b4e9", "#e69f00"
COLOURS = matplotlib.colormaps["inferno"].with_extremes(bad=PAPER)
SIDE, STRIP, TOP, BOTTOM, GAP, EDGE = 1.45, 0.24, 0.6, 0.5, 0.05, 0.14
TITLE = 20  # characters that fit over a panel
CONVENTIONS = {"neurological": "LR", "radiological": "RL"}
RANGE = (0.5, 99.5)  # percentiles of the test scores between which a method's colours lie


def montage(
    runs: str | Path,
    dataset: str | Path | None = None,
    scans: Iterable[str] | None = None,
    methods: Iterable[str] | None = None,
    threshold: str = "val_op",
    convention: str = "neurological",
) -> Figure:
    """Rows are scans, columns are the image, the lesion's contour, and for every method its map and its mask.

    The slice shown is the one with the largest lesion area. A method has one colour scale whatever scans are chosen
    (0.5th to 99.5th percentile of its scores in all test scans), stated by a bar on which the threshold is marked.
    Masks are `map >= threshold` within the support, over the image, with the lesion's contour; the Dice is that of the
    whole scan, and the scan whose mean Dice is lowest is marked. Of each method the lowest seed.

    Args:
        runs: results folder.
        dataset: prepared dataset to take images and labels from; `None` takes those kept in RUNS/reference.
        scans: ids of test scans; `None` takes six with a lesion, spread evenly over the lesion volumes.
        methods: methods in the order of the columns; `None` takes all.
        threshold: rule of the threshold of the masks.
        convention: `neurological` or `radiological`, see `face`.

    Raises:
        PipelineError: no results, unknown method, scan, rule or convention; the message lists the choices.
    """
    root, prepared = Path(runs), None if dataset is None else Path(dataset)
    chosen = {run.method: run for run in reversed(find_runs(root, methods))}
    shown = list(reversed(chosen.values()))
    views = [view(root, scan, prepared) for scan in (lesion_scans(root, prepared) if scans is None else scans)]
    if not views:
        raise PipelineError("a montage needs at least one scan; none was given")
    figure, axes = panels(len(views), 2 + 2 * len(shown))
    box = field(views)
    _references(axes[:, :2], views, box, _worst(shown, views, threshold))
    for i, run in enumerate(shown):
        _method(figure, axes[:, 2 + 2 * i : 4 + 2 * i], run, views, box, threshold)
    face(axes, convention)
    return figure


def panels(rows: int, columns: int) -> tuple[Figure, np.ndarray]:
    """Square panels of equal size, below titles, each row under a strip for its label; all sizes in inches."""
    width = 2 * EDGE + columns * SIDE + (columns - 1) * GAP
    height = TOP + rows * (STRIP + SIDE) + BOTTOM
    figure = Figure(figsize=(width, height), facecolor=PAPER)
    axes = np.empty((rows, columns), dtype=object)
    for row, column in np.ndindex(rows, columns):
        x, y = EDGE + column * (SIDE + GAP), BOTTOM + (rows - 1 - row) * (SIDE + STRIP)
        ax = figure.add_axes((x / width, y / height, SIDE / width, SIDE / height), facecolor=PAPER)
        ax.set_axis_off()
        axes[row, column] = ax
    return figure, axes


def head(ax: Axes, text: str, colour: str) -> None:
    ax.text(0.5, 1 + (STRIP + 0.04) / SIDE, text, color=colour, fontsize=9, ha="center", transform=ax.transAxes)


def face(axes: np.ndarray, convention: str) -> None:
    """Turn drawn pictures [rows, columns] to a convention; the first of each row says where the patient's left is.

    Args:
        axes: with pictures whose left is the left of the patient.
        convention: `neurological`, the patient's left on the left, or `radiological`, on the right.

    Raises:
        PipelineError: another convention.
    """
    check_choice("convention", convention, CONVENTIONS)
    for ax in axes.flat if convention == "radiological" else ():
        ax.invert_xaxis()
    for ax in axes[:, 0]:
        for side, x in zip(CONVENTIONS[convention], (0.04, 0.96), strict=True):
            ax.text(x, 0.5, side, color=MUTED, fontsize=8, ha="center", va="center", transform=ax.transAxes)


def _worst(runs: Sequence[Run], views: Sequence[View], rule: str) -> str:
    """The scan with a lesion whose Dice is lowest, mean over methods; empty where there is but one, or no figure."""
    scores = pd.DataFrame({run.method: pd.Series(_scores(run, rule), dtype=float) for run in runs})
    mean = scores.mean(axis=1).reindex([seen.scan for seen in views if seen.lesion_ml > 0]).dropna()
    return str(mean.idxmin()) if len(mean) > 1 else ""


def _references(axes: np.ndarray, views: Sequence[View], box: tuple[slice, slice], worst: str) -> None:
    head(axes[0, 0], "image", INK)
    head(axes[0, 1], "lesion (label)", LESION)
    for (left, right), seen in zip(axes, views, strict=True):
        label = f"{seen.scan}   {seen.lesion_ml:.1f} mL lesion, slice {seen.z}"
        colour = MASK if seen.scan == worst else MUTED
        label = f"{label}, the worst of these" if seen.scan == worst else label
        left.text(0.0, 1 + 0.06 / SIDE, label, color=colour, fontsize=8, transform=left.transAxes)
        for ax in (left, right):
            _image(ax, seen, box)
        _contour(right, seen, box, 1.4)


def _image(ax: Axes, seen: View, box: tuple[slice, slice]) -> None:
    ax.imshow(seen.image[box], cmap="gray", vmin=0, vmax=float(seen.image.max()) or 1.0, interpolation="nearest")


def _contour(ax: Axes, seen: View, box: tuple[slice, slice], width: float) -> None:
    if seen.lesion[box].any():
        ax.contour(seen.lesion[box].astype(float), levels=[0.5], colors=[LESION], linewidths=width)


def _method(
    figure: Figure, axes: np.ndarray, run: Run, views: Sequence[View], box: tuple[slice, slice], rule: str
) -> None:
    value, scores = threshold_value(run, rule), _scores(run, rule)
    volumes = [anomaly_map(run, seen.scan) for seen in views]
    maps = [None if volume is None else upright(volume, v.z) for volume, v in zip(volumes, views, strict=True)]
    norm = _scale(run, maps, views, value)
    head(axes[0, 0], f"{_title(run)}\nmap", INK)
    head(axes[0, 1], f"{_title(run)}\nmask ≥ {value:.3g} ({rule})", MASK)
    for (left, right), seen, scores_map in zip(axes, views, maps, strict=True):
        if scores_map is None:
            left.text(0.5, 0.5, "no map kept", color=MUTED, fontsize=8, ha="center", transform=left.transAxes)
            continue
        inside = np.ma.masked_array(scores_map, ~seen.support)[box]
        left.imshow(inside, cmap=COLOURS, norm=norm, interpolation="nearest")
        _contour(left, seen, box, 0.7)
        _mask(right, seen, (scores_map >= value) & seen.support, box)
        _note(right, scores.get(seen.scan))
    _colour_bar(figure, axes[-1, 0], norm, value)


def _mask(ax: Axes, seen: View, mask: np.ndarray, box: tuple[slice, slice]) -> None:
    _image(ax, seen, box)
    filled = np.ma.masked_array(np.ones(mask.shape), ~mask)[box]
    ax.imshow(filled, cmap=matplotlib.colors.ListedColormap([MASK]), alpha=0.8, interpolation="nearest")
    _contour(ax, seen, box, 1.0)


def _note(ax: Axes, dice: float | None) -> None:
    if dice is not None and not pd.isna(dice):
        text = f"scan Dice {dice:.2f}"
        ax.text(0.97, 0.03, text, color=INK, fontsize=7.5, ha="right", va="bottom", transform=ax.transAxes)


def _scale(run: Run, maps: Sequence[np.ndarray | None], views: Sequence[View], value: float) -> Normalize:
    """Linear over `colour_range`, widened to hold the threshold; over the slices shown where there is no histogram."""
    inside = [m[seen.support] for m, seen in zip(maps, views, strict=True) if m is not None and seen.support.any()]
    found = colour_range(run)
    if found is None:
        found = tuple(np.percentile(np.concatenate(inside), RANGE)) if inside else (0.0, 1.0)
    low, high = found
    low, high = (min(low, value), max(high, value)) if np.isfinite(value) else (low, high)
    return Normalize(low, high if high > low else low + max(abs(low), 1.0) * 1e-6)


def colour_range(run: Run) -> tuple[float, float] | None:
    """Percentiles 0.5 and 99.5 of a run's scores in all test scans; `None` where it kept no histogram."""
    path = run.folder / "test.npz"
    if not path.is_file():
        return None
    pooled = ScoreHistogram.load(path).pooled()
    return percentile(pooled, RANGE[0]), percentile(pooled, RANGE[1])


def _colour_bar(figure: Figure, ax: Axes, norm: Normalize, value: float) -> None:
    place = ax.get_position()
    height = 0.09 / figure.get_figheight()
    cax = figure.add_axes((place.x0, place.y0 - 1.9 * height, place.width, height))
    figure.colorbar(ScalarMappable(norm, COLOURS), cax=cax, orientation="horizontal", ticks=[norm.vmin, norm.vmax])
    cax.set_xticklabels([f"{norm.vmin:.3g}", f"{norm.vmax:.3g}"])
    cax.tick_params(colors=INK, labelsize=7, length=0, pad=2)
    cax.get_xticklabels()[0].set_horizontalalignment("left")
    cax.get_xticklabels()[-1].set_horizontalalignment("right")
    cax.axvline(value, color=LESION, linewidth=1.6)
    cax.set_xlabel("anomaly score, bar: threshold", color=MUTED, fontsize=6.5, labelpad=0)


def threshold_value(run: Run, rule: str) -> float:
    """The value of a run's threshold.

    Raises:
        PipelineError: the run has no thresholds, or none of that rule; the message lists the choices.
    """
    path = run.folder / "thresholds.json"
    values = {t.rule: float(t.value) for t in load_thresholds(path)} if path.is_file() else {}
    if rule not in values:
        raise PipelineError(f"no threshold '{rule}' in {path}; available: {', '.join(values) or 'none'}")
    return values[rule]


def _scores(run: Run, rule: str) -> dict[str, float]:
    path = run.folder / "scans.csv"
    scans = read_csv(path) if path.is_file() else pd.DataFrame()
    return dict(zip(scans["scan"], scans[f"dice@{rule}"], strict=True)) if f"dice@{rule}" in scans.columns else {}


def _title(run: Run) -> str:
    row = read_csv(run.folder / "metrics.csv").iloc[0]
    return fill(str(row.get("title", run.method)), TITLE, break_on_hyphens=False)
