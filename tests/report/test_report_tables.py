"""Tables: order, spread, intervals, and words for what must not be misread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.report import hardest, load_results, load_scans, per_threshold, table
from pipeline.report.tables import number, operating_rule, rules, spread
from pipeline.report.words import finding


def test_methods_and_floors_stand_together_the_best_first(runs: Path) -> None:
    results = load_results(runs)
    mean = results.groupby("title")["auprc"].mean().sort_values(ascending=False)
    shown = table(results)
    assert shown["method"].tolist() == mean.index.tolist()
    assert shown.set_index("method")["kind"].to_dict()["Intensity"] == "floor"
    assert set(shown["data"]) == {"phantom (simulated)"}


def test_spread_over_seeds_only_where_there_are_several(runs: Path) -> None:
    shown = table(load_results(runs)).set_index("method")
    assert " ± " in shown.loc["AMCons", "AP"]
    assert " ± " not in shown.loc["VAE", "AP"]
    assert shown["seeds"].to_dict()["AMCons"] == "2"


def test_interval_is_the_envelope_and_bounds_are_those_of_the_mean(runs: Path) -> None:
    results = load_results(runs)
    rows = results[results["method"] == "amcons"]
    row = table(results).set_index("method").loc["AMCons"]
    assert row["AP 95 % interval"] == f"[{rows['auprc_ci_low'].min():.3f}, {rows['auprc_ci_high'].max():.3f}]"
    assert row["AP bounds"] == f"[{rows['auprc_lower'].mean():.4f}, {rows['auprc_upper'].mean():.4f}]"


def test_scan_dice_is_mean_and_deviation_over_scans(runs: Path) -> None:
    results = load_results(runs).set_index("method")
    shown = table(load_results(runs)).set_index("method")["scan Dice@val_op"]["VAE"]
    assert shown == f"{results['scan_dice@val_op']['vae']:.3f} ± {results['scan_dice_sd@val_op']['vae']:.3f}"


def test_brief_table_is_a_part_of_the_whole(runs: Path) -> None:
    results = load_results(runs)
    brief = table(results, brief=True)
    pd.testing.assert_frame_equal(brief, table(results)[brief.columns])
    assert "Dice@oracle" in brief.columns
    assert len(brief.columns) < len(table(results).columns)


def test_rules_run_from_the_oracle_over_the_operating_point_to_ascending_percentiles() -> None:
    columns = ["dice@p99.9", "dice@0.5", "dice@p90", "dice@val_op", "dice@p98", "dice@oracle", "dice_ci_low@p85"]
    results = pd.DataFrame(columns=columns)
    assert rules(results) == ["oracle", "val_op", "p90", "p98", "p99.9", "0.5"]
    assert operating_rule(results) == "val_op"
    assert operating_rule(results[["dice@oracle", "dice@p98"]]) == "p98"


def test_every_rule_of_every_method_has_a_row(runs: Path) -> None:
    frame = per_threshold(load_results(runs))
    assert len(frame) == 5 * 5
    assert "HD95 mm" not in frame.columns
    assert set(frame["rule"]) == {"oracle", "val_op", "p90", "p95", "p98"}


@pytest.mark.parametrize(("value", "text"), [(np.nan, "–"), (-0.25, "−0.250"), (0.5, "0.500")])
def test_number(value: float, text: str) -> None:
    assert number(value) == text


def test_spread_of_nothing_is_a_dash() -> None:
    assert spread(pd.Series([np.nan])) == "–"
    assert spread(pd.Series([0.1, np.nan])) == "0.100"


def test_hardest_scans_have_a_lesion_and_rising_dice(runs: Path) -> None:
    worst = hardest(load_scans(runs), count=3)
    assert len(worst) == 3
    assert worst["mean"].is_monotonic_increasing
    assert not [scan for scan in worst.index if "healthy" in scan]
    assert hardest(load_scans(runs), rule="p1").empty


def results_of(learned: float | None, floor: float | None, low: float = 0.1, high: float = 0.3) -> pd.DataFrame:
    """Two methods with the given average precision."""
    rows = [("ours", "Ours", False, learned, low, high), ("bar", "Bar", True, floor, np.nan, np.nan)]
    names = ["method", "title", "floor", "auprc", "ap_minus_floor_ci_low", "ap_minus_floor_ci_high"]
    frame = pd.DataFrame([row for row in rows if row[3] is not None], columns=names)
    return frame.assign(ap_minus_floor=frame["ap_minus_floor_ci_low"] + 0.1, lesion_share=0.05)


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (results_of(0.7, 0.5), "The best learned method is above the best floor. Average precision: 0.700 (Ours)"),
        (results_of(0.7, 0.5), "0.500 (Bar); chance is 0.050. The 95 % interval of the difference, +0.100 to +0.300"),
        (results_of(0.7, 0.5, low=-0.1), "contains zero: these scans cannot tell the two apart"),
        (results_of(0.4, 0.5, low=-0.2, high=-0.1), "No learned method is above the best floor"),
        (results_of(None, 0.5), "The highest average precision is 0.500 (Bar); chance is 0.050."),
        (results_of(np.nan, np.nan), "No method has an average precision"),
    ],
)
def test_finding_says_who_is_ahead_and_how_surely(results: pd.DataFrame, expected: str) -> None:
    assert expected in finding(results)
