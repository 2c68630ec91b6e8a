"""Tables for people: figures as text, with their spread and interval, floors and simulated data marked."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from pipeline.report.results import CARD, protocol_of, protocols

MISSING = "–"
MINUS = "−"
BRIEF = ("method", "kind", "AP", "AP 95 % interval", "AP − best floor", "AUROC", "Dice@oracle")
LESIONS = {
    "HD95 mm": "hd95",
    "lesion recall": "lesion_recall",
    "lesion F1": "lesion_f1",
    "false lesions a scan": "false_lesions",
    "healthy mL": "healthy_ml",
    "healthy mL, p95": "healthy_ml_p95",
}


def rules(results: pd.DataFrame) -> list[str]:
    """Threshold rules that have a Dice column: the oracle, the operating point, percentiles ascending, the others."""
    found = [column.removeprefix("dice@") for column in results.columns if column.startswith("dice@")]
    return sorted(found, key=_rule_order)


def _rule_order(rule: str) -> tuple[int, float, str]:
    percentile = re.fullmatch(r"p(\d+(?:\.\d+)?)", rule)
    if percentile:
        return 2, float(percentile[1]), rule
    return {"oracle": 0, "val_op": 1}.get(rule, 3), 0.0, rule


def number(value: float, digits: int = 3, signed: bool = False) -> str:
    """A figure as text with a real minus sign; a dash where there is none."""
    if pd.isna(value):
        return MISSING
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    return text.replace("-", MINUS)


def spread(values: pd.Series, digits: int = 3) -> str:
    """Mean over seeds, and ± the sample standard deviation where there are at least two."""
    values = values.dropna()
    text = number(values.mean() if len(values) else np.nan, digits)
    return f"{text} ± {values.std():.{digits}f}" if len(values) > 1 else text


def _column(rows: pd.DataFrame, name: str) -> pd.Series:
    return rows[name] if name in rows.columns else pd.Series(np.nan, index=rows.index, dtype=float)


def interval(rows: pd.DataFrame, low: str, high: str, digits: int = 3, signed: bool = False) -> str:
    """The envelope of the seeds' intervals, lowest to highest end, so that no seed's doubt is averaged out."""
    ends = _column(rows, low).min(), _column(rows, high).max()
    if any(pd.isna(end) for end in ends):
        return MISSING
    return f"[{number(ends[0], digits, signed)}, {number(ends[1], digits, signed)}]"


def _scan_dice(rows: pd.DataFrame, rule: str) -> str:
    """Mean over scans ± standard deviation over scans, each averaged over seeds."""
    mean, deviation = _column(rows, f"scan_dice@{rule}").mean(), _column(rows, f"scan_dice_sd@{rule}").mean()
    return number(mean) if pd.isna(deviation) else f"{number(mean)} ± {deviation:.3f}"


def _difference(rows: pd.DataFrame, figure: str) -> str:
    mean = _column(rows, f"{figure}_minus_floor").mean()
    if pd.isna(mean):
        return MISSING
    ends = interval(rows, f"{figure}_minus_floor_ci_low", f"{figure}_minus_floor_ci_high", signed=True)
    return f"{number(mean, signed=True)} {ends}"


def kind(row: pd.Series) -> str:
    """`floor`, `learned`, or `supervised`: an upper reference that has seen lesion labels."""
    return "floor" if row["floor"] else "supervised" if row.get("supervised", False) else "learned"


def _row(rows: pd.DataFrame, results: pd.DataFrame) -> dict[str, str]:
    first = rows.iloc[0]
    row = {"method": str(first["title"]), "kind": kind(first)}
    row["AP"] = spread(_column(rows, "auprc"))
    row["AP 95 % interval"] = interval(rows, "auprc_ci_low", "auprc_ci_high")
    if "ap_minus_floor" in results.columns:
        row["AP − best floor"] = _difference(rows, "ap")
    if "scan_ap" in results.columns:
        row["mean AP of scans"] = spread(_column(rows, "scan_ap"))
    if "scan_ap_minus_floor" in results.columns:
        row["mean AP − best floor"] = _difference(rows, "scan_ap")
    row["AUROC"] = spread(_column(rows, "auroc"))
    row |= {f"Dice@{rule}": spread(rows[f"dice@{rule}"]) for rule in rules(results)}
    shown = operating_rule(results)
    row[f"scan Dice@{shown}"] = _scan_dice(rows, shown)
    row |= {name.replace("healthy_ml", "healthy mL"): spread(rows[name], 2) for name in _healthy(results, shown)}
    row["seeds"] = str(len(rows))
    bounds = (number(_column(rows, name).mean(), 4) for name in ("auprc_lower", "auprc_upper"))
    return row | {"AP bounds": f"[{', '.join(bounds)}]"}


def operating_rule(results: pd.DataFrame) -> str:
    """The rule by which masks are shown: the operating point, else the first that is no oracle."""
    honest = [rule for rule in rules(results) if rule != "oracle"]
    return honest[0] if honest else "oracle"


def _healthy(results: pd.DataFrame, rule: str) -> list[str]:
    """Columns with the false-lesion volume in healthy test subjects at a rule, in mL, that hold a figure."""
    names = ("healthy_ml", "healthy_ml_p95", f"healthy_ml@{rule}", f"healthy_ml_p95@{rule}")
    return [name for name in names if name in results.columns and results[name].notna().any()]


def table(results: pd.DataFrame, brief: bool = False) -> pd.DataFrame:
    """One row a method, the highest average precision first; below them the supervised references.

    Figures are means over seeds, `± sd` over seeds where there are several; `scan Dice` is mean ± sd over scans. The
    AP interval is the 95 % patient bootstrap, over seeds the envelope; `AP bounds` is what the bins of the score
    histogram leave open. `kind` marks floors, which a method has to pass, and supervised references, which have seen
    lesion labels; `data` marks simulated data. `Dice@oracle` uses test labels.

    Args:
        results: from `load_results`; with several protocols, a method has a row for each, labelled in `protocol`.
        brief: only the figures that fit a terminal: AP, AUROC, and Dice at the oracle and at the operating rule.
    """
    groups, several = _groups(results), len(protocols(results)) > 1
    rows = []
    for label, group in groups:
        row = _row(group, results) | ({"protocol": label} if several else {})
        rows.append(row | {"data": _data(group.iloc[0])})
    frame, rule = pd.DataFrame(rows), operating_rule(results)
    chosen = (*BRIEF, f"Dice@{rule}", f"scan Dice@{rule}", "protocol", "data")
    return frame[[name for name in chosen if name in frame.columns]] if brief else frame


def _groups(results: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each method under each protocol, with the protocol's label.

    The highest average precision first; supervised references stand below the others.
    """
    grouped = results.groupby([protocol_of(results).rename("protocol"), "method"], sort=True)
    groups = [(str(label), group) for (label, _), group in grouped]
    precision = lambda rows: -np.nan_to_num(_column(rows, "auprc").mean(), nan=-1.0)  # noqa: E731
    return sorted(groups, key=lambda group: (kind(group[1].iloc[0]) == "supervised", precision(group[1])))


def per_threshold(results: pd.DataFrame) -> pd.DataFrame:
    """One row a method and threshold rule: pooled figures of the masks, over scans, by lesion, and in normals.

    Args:
        results: from `load_results`.
    """
    rows = []
    for _, group in _groups(results):
        for rule in rules(results):
            row = {"method": str(group["title"].iloc[0]), "rule": rule, "Dice": spread(_column(group, f"dice@{rule}"))}
            row["Dice 95 % interval"] = interval(group, f"dice_ci_low@{rule}", f"dice_ci_high@{rule}")
            row |= {name: spread(_column(group, f"{name}@{rule}")) for name in ("iou", "precision", "recall")}
            row["scan Dice"] = _scan_dice(group, rule)
            rows.append(row | {name: spread(_column(group, f"{key}@{rule}"), 2) for name, key in LESIONS.items()})
    frame = pd.DataFrame(rows).rename(columns={"iou": "IoU"})
    return frame.loc[:, (frame != MISSING).any()]


def _data(row: pd.Series) -> str:
    name = str(row.get(f"{CARD}dataset", MISSING))
    return f"{name} (simulated)" if row.get(f"{CARD}simulated", False) else name


def hardest(scans: pd.DataFrame, rule: str = "val_op", count: int = 5) -> pd.DataFrame:
    """Test scans with a lesion that the methods find worst: the lowest mean Dice over all methods and seeds first.

    Args:
        scans: from `load_scans`.
        rule: threshold rule of the Dice.
        count: how many scans.

    Returns:
        Index `scan`; columns `lesion_ml`, `mean`, and one Dice a method (mean over seeds). Empty without that figure.
    """
    column = f"dice@{rule}"
    if column not in scans.columns:
        return pd.DataFrame()
    lesion = scans[~scans["healthy"].astype(bool)]
    wide = lesion.pivot_table(index="scan", columns="method", values=column, aggfunc="mean", sort=True)
    wide.insert(0, "mean", wide.mean(axis=1))
    wide.insert(0, "lesion_ml", lesion.groupby("scan")["lesion_ml"].first())
    return wide.sort_values("mean", kind="stable").head(count)
