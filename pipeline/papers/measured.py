"""What runs measured, and on resampled patients: the same patients in the same replicate for every method."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.metrics import (
    ScoreHistogram,
    Threshold,
    confusion,
    fixed,
    interval,
    load_thresholds,
    percentile,
    replicate,
    scan_table,
)
from pipeline.metrics.summary import with_oracle
from pipeline.report.results import find_runs
from pipeline.report.tables import kind

LOWER_IS_BETTER = ("hd", "hd95")
SPREADS = ("scan_dice_sd",)  # they describe scans and have no better and worse
PERCENTILE = re.compile(r"p(\d+(?:\.\d+)?)")

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """A method: one value a seed, and replicates over patients of the mean over seeds, by figure.

    Args:
        method: its name. title: for people. kind: `learned`, `floor` or `supervised`.
        values: figure → [seeds]. replicates: figure → [replicates]; those without an interval are left out.
    """

    method: str
    title: str
    kind: str
    values: dict[str, Array]
    replicates: dict[str, Array]

    def interval(self, figure: str) -> tuple[float, float]:
        """95 % over patients, of the mean over seeds; nan where there is none."""
        return interval(self.replicates[figure]) if figure in self.replicates else (np.nan, np.nan)


def measure(runs: Path, results: pd.DataFrame, figures: Sequence[str]) -> list[Measured]:
    """All methods of a folder of results.

    Args:
        runs: the folder. results: its rows, from `load_results`.
        figures: names of `pipeline.metrics.summarise`; `dice@p85`, `dice@0.5` and the like are measured even where the
            run learnt no such threshold. `hd@oracle` is taken from the row.
    """
    folders = {(run.method, run.seed): run.folder for run in find_runs(runs)}
    found = []
    for method, rows in results.groupby("method", sort=True):
        seeds = [_of_run(folders[method, row["seed"]], row, figures) for _, row in rows.iterrows()]
        values = {figure: np.array([value[figure] for value, _ in seeds]) for figure in figures}
        replicates = {figure: np.mean([samples[figure] for _, samples in seeds], axis=0) for figure in seeds[0][1]}
        first = rows.iloc[0]
        found.append(Measured(str(method), str(first["title"]), kind(first), values, replicates))
    return found


def _of_run(folder: Path, row: pd.Series, figures: Sequence[str]) -> tuple[dict[str, float], dict[str, Array]]:
    test = ScoreHistogram.load(folder / "test.npz")
    rules = {figure.partition("@")[2] for figure in figures if "@" in figure}
    thresholds = with_oracle(test, [found for rule in sorted(rules) if (found := _threshold(folder, rule, test))])
    known = {threshold.rule: threshold for threshold in thresholds}
    samples = replicate(test, thresholds)
    scans, draws = pd.DataFrame(scan_table(test, thresholds)), _draws(len(test.scans))
    values: dict[str, float] = {}
    resampled: dict[str, Array] = {}
    for figure in figures:
        name, _, rule = figure.partition("@")
        values[figure] = float(row.get(figure, np.nan))
        if name in ("auroc", "auprc", "dice") and figure in samples:
            resampled[figure] = samples[figure]
        elif name == "iou" and f"dice@{rule}" in samples:
            resampled[figure] = samples[f"dice@{rule}"] / (2 - samples[f"dice@{rule}"])
        elif name == "scan_dice" and rule in known:
            resampled[figure] = draws @ scans[f"dice@{rule}"].to_numpy(float) / draws.sum(1)
        if np.isnan(values[figure]) and name == "dice" and rule in known:
            values[figure] = float(confusion(test.pooled(), known[rule].value).dice)
    return values, resampled if len(test.scans) > 1 else {}


def _draws(count: int, replicates: int = 1000) -> Array:
    """How often each scan is drawn, [replicates, scans], as in `pipeline.metrics.replicate`."""
    return np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), replicates).astype(float)


def _threshold(folder: Path, rule: str, test: ScoreHistogram) -> Threshold | None:
    """That of the run, else one made now of its held-out normals (`p85`) or of a number (`0.5`)."""
    learnt = {threshold.rule: threshold for threshold in load_thresholds(folder / "thresholds.json")}
    normals = folder / "calibration.npz"
    if rule in learnt:
        return learnt[rule]
    if (named := PERCENTILE.fullmatch(rule)) and normals.is_file():
        return percentile(ScoreHistogram.load(normals), float(named[1]))
    return fixed(float(rule), test.support, test.bits) if re.fullmatch(r"[\d.]+", rule) else None


def best(found: Sequence[Measured], figure: str) -> tuple[str, list[str]]:
    """The method with the best mean, supervised references left out, and those that it cannot be told from.

    It is told from another where the 95 % interval over patients of their paired difference is on its side of zero.
    Without an interval it is told from none. Both are empty where there is nothing to compare.
    """
    name = figure.partition("@")[0]
    sign = -1 if name in LOWER_IS_BETTER else 1
    known = [one for one in found if one.kind != "supervised" and np.isfinite(one.values[figure]).any()]
    if len(known) < 2 or name in SPREADS:
        return "", []
    first, *others = sorted(known, key=lambda one: -sign * float(np.nanmean(one.values[figure])))
    return first.method, [other.title for other in others if not _apart(first, other, figure, sign)]


def _apart(first: Measured, other: Measured, figure: str, sign: int) -> bool:
    if figure not in first.replicates or figure not in other.replicates:
        return False
    low, _ = interval(sign * (first.replicates[figure] - other.replicates[figure]))
    return low > 0
