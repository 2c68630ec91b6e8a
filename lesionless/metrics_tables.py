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
    caption = "one patient: no interval" if figures["n_subjects"] < 2 else None
    table = Table("figure", "value", "bounds of the binning", "95 % over scans", title=title, caption=caption)
    for name, text in (("auprc", "average precision"), ("auroc", "AUROC")):
        bounds = _range(figures[f"{name}_lower"], figures[f"{name}_upper"])
        interval = _range(figures[f"{name}_ci_low"], figures[f"{name}_ci_high"])
        table.add_row(text, _number(figures[name]), bounds, interval)
    table.add_row("AUPRC by trapezoid", _number(figures["auprc_trapezoid"]), "", "")
    table.add_row("overlap of classes", _number(figures["overlap_share"]), "", "")
    table.add_row("chance AP (lesion share)", _number(figures["lesion_share"]), "", "")
    return table


FIGURES = {
    "dice": "Dice",
    "dice_ci_low": "  95 % from",
    "dice_ci_high": "  95 % to",
    "iou": "IoU",
    "precision": "precision",
    "recall": "recall",
    "fpr": "FPR",
    "scan_dice": "Dice a scan",
    "scan_dice_sd": "  sd",
    "n_empty_both": "  empty on empty",
    "healthy_ml": "false mL in normals",
    "hd95": "HD95 a scan, mm",
    "lesion_recall": "lesion recall",
    "lesion_f1": "lesion F1",
    "false_lesions": "false lesions",
}


def thresholds_table(figures: Mapping[str, float], rules: Sequence[Threshold]) -> Table:
    """Figures at each threshold; those of masks where they were computed."""
    caption = "mask: score >= threshold; oracle has seen the test labels; an empty mask of an empty label has Dice 1"
    table = Table(caption=caption, title="at thresholds")
    table.add_column("", no_wrap=True)
    for rule in rules:
        table.add_column(rule.rule, justify="right", overflow="fold")
    table.add_row("threshold", *(f"{rule.value:.4g}" for rule in rules))
    for name, text in FIGURES.items():
        cells = [_cell(figures, name, rule.rule) for rule in rules]
        if any(cells):
            table.add_row(text, *cells)
    return table


def _cell(figures: Mapping[str, float], name: str, rule: str) -> str:
    value = figures.get(f"{name}@{rule}", np.nan)
    if name == "n_empty_both":
        return f"{value:.0f}"
    return "" if np.isnan(value) else f"{value:.3f}" if value < 100 else f"{value:.0f}"


def difference_line(difference: Difference, other: Path) -> str:
    """The paired difference of average precision in words."""
    interval = (
        f"95 % {difference.lower:+.4f} to {difference.upper:+.4f}, p = {difference.p_value:.3f}, paired over scans"
    )
    if np.isnan(difference.lower):
        interval = "no interval from one patient"
    return f"average precision less that of {other.name}: {difference.value:+.4f} ({interval})"
