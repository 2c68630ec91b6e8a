"""The sentences of the report that depend on the results: what was found, on what, and what a rule means."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from pipeline.report.results import CARD, protocols
from pipeline.report.tables import MINUS, MISSING, kind, number, rules

RULES = {
    "oracle": "The best threshold for the test scans. It has seen the test labels: an upper limit, not a method.",
    "val_op": "Operating point: the threshold with the best Dice on labelled validation scans.",
}


def rule_meanings(results: pd.DataFrame) -> list[tuple[str, str]]:
    """Each threshold rule of the table with its meaning."""
    return [(rule, _meaning(rule)) for rule in rules(results)]


def _meaning(rule: str) -> str:
    percentile = re.fullmatch(r"p(\d+(?:\.\d+)?)", rule)
    if percentile:
        return f"Percentile {percentile[1]} of the scores of held-out healthy scans: it needs no lesion label."
    return RULES.get(rule, "See the table of thresholds.")


def subtitle(results: pd.DataFrame) -> str:
    """Name of the data, how many scans were tested, how many methods and floors."""
    first = results.iloc[0]
    parts = [str(first[CARD + name]) for name in ("dataset", "modality") if first.get(CARD + name)]
    if pd.notna(first.get("n_scans")):
        parts.append(f"{first['n_scans']:.0f} test scans, {first.get('n_empty_scans', 0):.0f} of them without a lesion")
    kinds = results.drop_duplicates("method").apply(kind, axis=1).tolist()
    counts = [_count(kinds.count("learned"), "learned method"), _count(kinds.count("floor"), "floor")]
    counts += [_count(kinds.count("supervised"), "supervised reference")] if "supervised" in kinds else []
    return " · ".join([*parts, ", ".join(counts)])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def finding(results: pd.DataFrame) -> str:
    """Whether training was worth it, in words: the best learned method against the best floor, and chance.

    Supervised references do not take part.
    """
    results = results[results.apply(kind, axis=1) != "supervised"]
    if results.empty:
        return "There are supervised references alone, which are not compared."
    methods = results.groupby("method").agg({"auprc": "mean", "floor": "first", "title": "first"})
    methods = methods.dropna(subset=["auprc"]).sort_values("auprc", ascending=False, kind="stable")
    chance = results["lesion_share"].mean() if "lesion_share" in results.columns else np.nan
    end = "." if pd.isna(chance) else f"; chance is {number(chance)}."
    if methods.empty:
        return "No method has an average precision: the test scans have no lesion pixel, or nothing else."
    floor = methods["floor"].astype(bool)
    if floor.all() or not floor.any():
        return f"The highest average precision is {_scored(methods.iloc[0])}{end}"
    best, bar = methods[~floor].iloc[0], methods[floor].iloc[0]
    above = "The best learned method is" if best["auprc"] > bar["auprc"] else "No learned method is"
    scores = f"{above} above the best floor. Average precision: {_scored(best)}, against {_scored(bar)}{end}"
    return f"{scores} {_certainty(results[results['method'] == best.name])}".strip()


def _scored(method: pd.Series) -> str:
    return f"{number(method['auprc'])} ({method['title']})"


def _certainty(rows: pd.DataFrame) -> str:
    if "ap_minus_floor" not in rows.columns or rows["ap_minus_floor"].isna().all():
        return ""
    low, high = rows["ap_minus_floor_ci_low"].min(), rows["ap_minus_floor_ci_high"].max()
    ends = f"{number(low, signed=True)} to {number(high, signed=True)}"
    sure = "does not contain zero" if low > 0 or high < 0 else "contains zero: these scans cannot tell the two apart"
    return f"The 95 % interval of the difference, {ends}, {sure}."


def card_rows(results: pd.DataFrame) -> list[tuple[str, list[tuple[str, Any]]]]:
    """Each protocol card as its label and its (name, value) pairs, names spelt for people."""
    cards = protocols(results)
    names = [str(name).replace("_", " ") for name in cards.columns]
    pairs = (list(zip(names, card, strict=True)) for card in cards.to_numpy())
    return list(zip(map(str, cards.index), pairs, strict=True))


def cells(frame: pd.DataFrame) -> pd.DataFrame:
    """All cells as text with short numbers; a digest is cut to twelve characters."""
    shown = frame.rename(columns=lambda name: str(name).replace("_", " "))
    return shown.apply(lambda column: column.map(_cell)).astype(object)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return MISSING if np.isnan(value) else f"{value:.4g}".replace("-", MINUS)
    return re.sub(r"(sha256:\w{12})\w+", r"\1…", str(value))
