"""Whether a scan is of the kind that the model knows: its oddness among the normals, with a stated false-alarm rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATE = 0.05
LARGEST = 0.2  # a higher rate of false alarms warns of nothing: fewer than four normals judge no scan


@dataclass(frozen=True)
class Drift:
    """How odd a scan is among the normals.

    Args:
        flagged: `p_value ≤ false_alarm_rate`.
        p_value: the share of scans, this one among them, that are at least as odd.
        false_alarm_rate: how many normal scans are flagged at most, if they are like those of the model.
        oddest: the name of the statistic that lies farthest out, and whether it is high or low.
        ranks: by statistic, the share of normals below the scan's value.
    """

    flagged: bool
    p_value: float
    false_alarm_rate: float
    oddest: str
    ranks: dict[str, float]


def drift(scan: Mapping[str, float], normals: Mapping[str, Sequence[float]], rate: float = RATE) -> Drift | None:
    """Full conformal test (Vovk 2005) of one scan against n normals; None where there are fewer than four.

    With x_jk the statistic k of scan j, over the n + 1 scans together, `z_jk = |x_jk − median_k| / spread_k`, the
    oddness of a scan is `max_k z_jk`, and `p = #{oddness_j ≥ oddness of the scan} / (n + 1)`. As every scan counts
    alike, p is at most `rate` for at most that share of scans that are exchangeable with the normals. With few normals
    the smallest p, 1 / (n + 1), stands in place of a smaller `rate`.

    Args:
        scan: its statistics by name.
        normals: by name, one value a normal.
        rate: of false alarms.
    """
    names = sorted(set(scan) & set(normals))
    if not names or 1 / (len(normals[names[0]]) + 1) > LARGEST:
        return None
    table = np.array([[*normals[name], scan[name]] for name in names], float)  # [K, n + 1]
    centre = np.median(table, axis=1, keepdims=True)
    apart = np.abs(table - centre)
    odd = apart / _spread(apart)
    oddness = odd.max(axis=0)
    n = table.shape[1] - 1
    p = float(np.count_nonzero(oddness >= oddness[-1] * (1 - 1e-12)) / (n + 1))
    allowed = max(rate, 1 / (n + 1))
    which = int(odd[:, -1].argmax())
    side = "high" if table[which, -1] > centre[which, 0] else "low"
    ranks = {name: float(np.mean(row[:-1] < row[-1])) for name, row in zip(names, table, strict=True)}
    return Drift(p <= allowed * (1 + 1e-12), p, allowed, f"{names[which]} is {side}", ranks)


def _spread(apart: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median distance from the median; the mean where more than half are equal; ∞ where all are."""
    median, mean = np.median(apart, axis=1, keepdims=True), apart.mean(axis=1, keepdims=True)
    spread = np.where(median > 0, median, mean)
    return np.where(spread > 0, spread, np.inf)
