"""The tables that `lesionless metrics` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.table import Table

from pipeline.metrics import Difference, Threshold


def _number(value: float) -> str:
    return "undefined" if np.isnan(value) else f"{value:.4f}"


def _range(low: float, high: float) -> str:
    return "" if np.isnan(low) else f"{low:.4f} to {high:.4f}"


def figures_table(figures: Mapping[str, float], support: str) -> Table:
    """Figures over all thresholds, with what the binning allows and the interval over scans."""
    title = f"{figures['n_scans']:.0f} scans, {figures['n_empty_scans']:.0f} without lesion; support: {support}"
    table = Table("figure", "value", "bounds of the binning", "95 % over scans", title=title)
    for name, text in (("auprc", "average precision"), ("auroc", "AUROC")):
        bounds = _range(figures[f"{name}_lower"], figures[f"{name}_upper"])
        interval = _range(figures[f"{name}_ci_low"], figures[f"{name}_ci_high"])
        table.add_row(text, _number(figures[name]), bounds, interval)
    table.add_row("AUPRC, trapezoid (parity only)", _number(figures["auprc_trapezoid"]), "", "")
    table.add_row("overlap of the histograms", _number(figures["overlap_share"]), "", "")
    table.add_row("lesion share (chance level of AP)", _number(figures["lesion_share"]), "", "")
    return table


def thresholds_table(figures: Mapping[str, float], rules: Sequence[Threshold]) -> Table:
    """Figures at each threshold; those of masks where they were asked for."""
    columns = {"precision": "precision", "recall": "recall", "fpr": "FPR", "healthy_ml": "false mL in normals"}
    masks = {
        "hd95": "HD95 mm",
        "lesion_recall": "lesion recall",
        "lesion_f1": "lesion F1",
        "false_lesions": "false lesions",
    }
    shown = columns | {name: text for name, text in masks.items() if rules and f"{name}@{rules[0].rule}" in figures}
    caption = "mask = score >= threshold; oracle has seen the test labels; an empty mask of an empty label has Dice 1"
    head = ["rule", "threshold", "Dice", "95 % over scans", "IoU", "Dice a scan", "empty both"]
    table = Table(*head, *shown.values(), caption=caption)
    for rule in (threshold.rule for threshold in rules):
        at = {name.removesuffix(f"@{rule}"): value for name, value in figures.items() if name.endswith(f"@{rule}")}
        scan_dice = f"{at['scan_dice']:.3f} ± {at['scan_dice_sd']:.3f}"
        interval = _range(at["dice_ci_low"], at["dice_ci_high"])
        cells = [f"{at['threshold']:.6g}", _number(at["dice"]), interval, _number(at["iou"]), scan_dice]
        table.add_row(rule, *cells, f"{at['n_empty_both']:.0f}", *(_number(at[name]) for name in shown))
    return table


def difference_line(difference: Difference, other: Path) -> str:
    """The paired difference of average precision in words."""
    interval = f"95 % {difference.lower:+.4f} to {difference.upper:+.4f}, p = {difference.p_value:.3f}"
    return f"average precision less that of {other.name}: {difference.value:+.4f} ({interval}, paired over scans)"
