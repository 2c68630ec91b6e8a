"""How well methods did while they were trained, and what a stopping rule without a label would have cost."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.report.plots import LIGHT, Theme, style_axes
from pipeline.report.results import find_runs, read_csv

TABLE = "scores.csv"
VALIDATION, HELD_OUT = "validation", "held_out"


def training_scores(runs: str | Path) -> pd.DataFrame:
    """The scores of all runs that the preset `follow_scores` followed; no row where there is none.

    Returns:
        One row a method, seed and epoch: `method`, `title`, `seed`, `epoch`, `validation` (mean average precision of
        labelled validation scans), `held_out` (of slices with held-out kinds of paintings).
    """
    names = ["method", "title", "seed", "epoch", VALIDATION, HELD_OUT]
    tables = [pd.DataFrame(columns=names)]
    for run in find_runs(runs):
        path = run.folder / TABLE
        if path.is_file():
            title = read_csv(run.folder / "metrics.csv").get("title", pd.Series([run.method])).iloc[0]
            tables.append(pd.read_csv(path).assign(method=run.method, title=title, seed=run.seed))
    return pd.concat(tables[1:] or tables, ignore_index=True)[names]


def stopping_rule(scores: pd.DataFrame) -> pd.DataFrame:
    """The epoch at which held-out paintings are found best, and what it lost against the best epoch for patients.

    Args:
        scores: see `training_scores`.

    Returns:
        One row a method and seed: `epochs` of the training, `rule_epoch` and `best_epoch`, `at_rule`, `at_best` and
        `at_last` (the validation score there), `lost` = at_best − at_rule.

    Example:
        >>> scores = pd.DataFrame({"method": "m", "seed": 0, "epoch": [1, 2, 3]})
        >>> row = stopping_rule(scores.assign(validation=[0.5, 0.8, 0.7], held_out=[0.1, 0.2, 0.3])).iloc[0]
        >>> int(row["rule_epoch"]), int(row["best_epoch"]), round(float(row["lost"]), 3)
        (3, 2, 0.1)
    """
    rows = []
    for (method, seed), own in scores.groupby(["method", "seed"]):
        by_epoch = own.set_index("epoch").sort_index()
        rule, best = by_epoch[HELD_OUT].idxmax(), by_epoch[VALIDATION].idxmax()
        at_rule, at_best = by_epoch.loc[rule, VALIDATION], by_epoch.loc[best, VALIDATION]
        row = {"method": method, "seed": seed, "epochs": by_epoch.index[-1], "rule_epoch": rule, "best_epoch": best}
        row |= {"at_rule": at_rule, "at_best": at_best, "at_last": by_epoch[VALIDATION].iloc[-1]}
        rows.append({**row, "lost": at_best - at_rule})
    return pd.DataFrame(rows)


def training_curves(scores: pd.DataFrame, theme: Theme = LIGHT) -> Figure:
    """Both scores by epoch, a panel a method and a line a seed; a ring is where the stopping rule takes its weights.

    Args:
        scores: see `training_scores`.
        theme: colours.
    """
    methods = list(scores["method"].unique())
    figure = Figure(figsize=(1 + 2.9 * len(methods), 3.4), facecolor=theme.paper, layout="constrained")
    panels = figure.subplots(1, len(methods), sharey=True, squeeze=False)[0]
    looks = {
        VALIDATION: (theme.learned[0], "-", "patients, validation"),
        HELD_OUT: (theme.learned[1], "--", "held-out paintings"),
    }
    for panel, method in zip(panels, methods, strict=True):
        style_axes(panel, theme)
        own = scores[scores["method"] == method]
        panel.set_title(own["title"].iloc[0], color=theme.ink, fontsize=10)
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        for number, (_, of_seed) in enumerate(own.sort_values("epoch").groupby("seed")):
            for name, (colour, line, label) in looks.items():
                panel.plot(of_seed["epoch"], of_seed[name], line, color=colour, label=None if number else label)
            stop = of_seed.loc[of_seed[HELD_OUT].idxmax()]
            panel.plot(stop["epoch"], stop[VALIDATION], "o", color=looks[VALIDATION][0], markersize=8, fillstyle="none")
    panels[0].set_ylabel("mean average precision")
    look = {"frameon": False, "labelcolor": theme.ink, "fontsize": 8.5}
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, **look)
    return figure
