"""The checks of the page: what each scan measured, its limit, and which scans to look at first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from preprocessing.errors import PreprocessingError

_KEYS = {"title", "low", "high"}


@dataclass(frozen=True)
class Limit:
    """The range `low` … `high` (None: open) that the check `name` stays in; `title` is its heading."""

    name: str
    title: str
    low: float | None
    high: float | None

    def passes(self, value: float) -> bool:
        """Whether `value` is a number inside the range."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        if self.low is None:
            return f"≤ {self.high:g}"
        return f"≥ {self.low:g}" if self.high is None else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Check:
    """What one scan has for a limit: its value (None: not recorded), whether it passes, and `strain`."""

    limit: Limit
    value: float | None
    passes: bool
    strain: float


def read_limits(content: Mapping[str, Any]) -> list[Limit]:
    """The limits of the noun `qc` of a configuration: name → `{title, low, high}`, in that order.

    Raises:
        PreprocessingError: an unknown key, no title, neither `low` nor `high`, or `low` above `high`.
    """
    limits = []
    for name, entry in content.items():
        if not isinstance(entry, Mapping) or not {"title"} < set(entry) <= _KEYS:
            raise PreprocessingError(
                f"configuration, qc: {name!r} has {entry!r}; needed: title, and low or high or both"
            )
        low, high = entry.get("low"), entry.get("high")
        if low is not None and high is not None and low > high:
            raise PreprocessingError(f"configuration, qc: {name!r} has low {low:g} above high {high:g}")
        limits.append(Limit(name, str(entry["title"]), low, high))
    return limits


def measured(recorded: Mapping[str, float], image: np.ndarray) -> dict[str, float]:
    """The checks of the ledger, with `not_finite` (voxels of the prepared image) and `similarity_gain` (nats)."""
    values = {**recorded, "not_finite": float(np.count_nonzero(~np.isfinite(image)))}
    if {"mutual_information", "mutual_information_start"} <= set(recorded):
        values["similarity_gain"] = recorded["mutual_information"] - recorded["mutual_information_start"]
    return values


def assess(cohort: Sequence[Mapping[str, float]], limits: Sequence[Limit]) -> list[list[Check]]:
    """A row of checks for each scan of the cohort.

    `strain = (value − median) / (limit − median)` over the cohort, the larger one of two limits: 0 is the usual value,
    1 the limit. A value outside has at least 1, one that was not recorded 0.
    """
    columns = []
    for limit in limits:
        values = [scan.get(limit.name) for scan in cohort]
        known = [value for value in values if value is not None and math.isfinite(value)]
        median = float(np.median(known)) if known else 0.0
        columns.append([_check(limit, value, median) for value in values])
    return [list(row) for row in zip(*columns, strict=True)] if columns else [[] for _ in cohort]


def _check(limit: Limit, value: float | None, median: float) -> Check:
    if value is None:
        return Check(limit, None, True, 0.0)
    ways = [(value - median) / (end - median) for end in (limit.low, limit.high) if end is not None and end != median]
    strain = max([0.0, *(way for way in ways if math.isfinite(way))])
    passes = limit.passes(value)
    return Check(limit, value, passes, strain if passes else max(strain, 1.0))


def worst_first(checks: Sequence[Check]) -> tuple[float, float]:
    """Key to sort scans by: most checks failed, then nearest to a limit."""
    return -sum(not check.passes for check in checks), -max((check.strain for check in checks), default=0.0)
