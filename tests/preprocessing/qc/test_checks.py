"""Limits, and which scan comes first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from preprocessing.config import load_config
from preprocessing.errors import PreprocessingError
from preprocessing.qc.checks import Limit, assess, measured, read_limits, worst_first

DICE = Limit("dice", "Dice", 0.9, None)
VOLUME = Limit("volume", "volume", 1000.0, 2000.0)


def test_the_limits_of_the_package_are_in_order() -> None:
    limits = read_limits(load_config("base", {})["qc"])
    assert [limit.name for limit in limits][:3] == ["brain_ml", "brain_component", "mask_dice"]
    assert {"similarity_gain", "clipped", "not_finite", "partial"} <= {limit.name for limit in limits}


@pytest.mark.parametrize(
    ("limit", "value", "passes", "text"),
    [
        (DICE, 0.9, True, "≥ 0.9"),
        (DICE, 0.8999, False, "≥ 0.9"),
        (VOLUME, 2000.0, True, "1000 to 2000"),
        (VOLUME, 999.0, False, "1000 to 2000"),
        (Limit("nan", "NaN", None, 0.0), 1.0, False, "≤ 0"),
        (DICE, float("nan"), False, "≥ 0.9"),
    ],
)
def test_limits_include_their_ends(limit: Limit, value: float, passes: bool, text: str) -> None:
    assert (limit.passes(value), str(limit)) == (passes, text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"dice": 0.9}, r"qc: 'dice' has 0\.9; needed: title, and low or high"),
        ({"dice": {"title": "Dice"}}, "needed: title, and low or high"),
        ({"dice": {"low": 1.0, "high": 2.0}}, "needed: title"),
        ({"dice": {"title": "Dice", "low": 1.0, "limit": 2.0}}, "needed: title"),
        ({"dice": {"title": "Dice", "low": 2.0, "high": 1.0}}, "'dice' has low 2 above high 1"),
    ],
)
def test_a_limit_that_is_none_is_refused(content: dict[str, Any], message: str) -> None:
    with pytest.raises(PreprocessingError, match=message):
        read_limits(content)


def test_strain_is_0_at_the_median_and_1_at_the_limit() -> None:
    cohort = [{"dice": value} for value in (0.96, 0.98, 0.94, 0.9, 0.92, 0.84)]
    rows = assess(cohort, [DICE])
    median = float(np.median([scan["dice"] for scan in cohort]))
    expected = [max(0.0, (median - scan["dice"]) / (median - 0.9)) for scan in cohort]
    np.testing.assert_allclose([row[0].strain for row in rows], expected)
    assert rows[3][0].strain == 1
    assert [row[0].passes for row in rows] == [True] * 5 + [False]


def test_a_cohort_at_its_limit_strains_only_those_outside() -> None:
    rows = assess([{"nan": value} for value in (0.0, 0.0, 0.0, 3.0)], [Limit("nan", "NaN", None, 0.0)])
    assert [(row[0].strain, row[0].passes) for row in rows] == [(0, True)] * 3 + [(1, False)]


def test_what_was_not_recorded_neither_passes_judgement_nor_breaks_the_cohort() -> None:
    rows = assess([{"dice": 0.95}, {}, {"dice": float("nan")}], [DICE])
    assert [(row[0].value is None, row[0].passes) for row in rows] == [(False, True), (True, True), (False, False)]


def test_worst_first() -> None:
    cohort = [
        {"dice": 0.97, "volume": 1500.0},
        {"dice": 0.91, "volume": 1500.0},
        {"dice": 0.80, "volume": 1500.0},
        {"dice": 0.89, "volume": 900.0},
        {"dice": 0.97, "volume": 1950.0},
    ]
    rows = assess(cohort, [DICE, VOLUME])
    assert sorted(range(5), key=lambda i: worst_first(rows[i]))[:3] == [3, 2, 4]
    assert worst_first([]) == (0, 0)


def test_measured_adds_what_the_ledger_cannot_know() -> None:
    image = np.array([0.1, np.nan, np.inf, 0.5])
    values = measured({"mutual_information": 0.6, "mutual_information_start": 0.45}, image)
    assert values["not_finite"] == 2
    assert values["similarity_gain"] == pytest.approx(0.15)
    assert "similarity_gain" not in measured({"mutual_information": 0.6}, image)
