"""The difference of two methods on the same patients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from pipeline.errors import PipelineError, check_choice
from pipeline.metrics.bootstrap import interval, n_patients, observed, replicate
from pipeline.metrics.histogram import ScoreHistogram


class Difference(NamedTuple):
    """A paired difference of a figure.

    Args:
        value: the figure of the first method less that of the second.
        lower: lower end of the percentile interval.
        upper: upper end of the percentile interval.
        p_value: two-sided, in (0, 1].

    Example:
        >>> Difference(value=0.03, lower=-0.02, upper=0.07, p_value=0.21).lower < 0  # the interval holds zero
        True
    """

    value: float
    lower: float
    upper: float
    p_value: float


def paired_difference(
    first: ScoreHistogram,
    second: ScoreHistogram,
    figure: str = "auprc",
    replicates: int = 1000,
    seed: int = 0,
    subjects: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> Difference:
    """`figure` of the first method less that of the second on the same patients.

    p value: twice the smaller share of replicates on either side of 0, counting the observed one. One patient alone has
    neither interval nor p value; they are nan.

    Args:
        first: of the first method.
        second: of the second method, of the same scans.
        figure: `auprc`, `auroc`, `dice@oracle` or `scan_ap`, see `replicate`.
        replicates: see `replicate`.
        seed: see `replicate`.
        subjects: see `replicate`.
        level: of the interval, in (0, 1).

    Raises:
        PipelineError: the two were not measured on the same pixels; an unknown figure.

    Example:
        >>> import torch
        >>> from pipeline.metrics import ScoreHistogram
        >>> good, poor = ScoreHistogram(), ScoreHistogram()
        >>> lesion = torch.tensor([[0, 0, 1, 1]])
        >>> for scan in ("sub-1", "sub-2", "sub-3"):
        ...     good.update(torch.tensor([[0.1, 0.2, 0.35, 0.8]]), lesion, None, [scan])
        ...     poor.update(torch.tensor([[0.1, 0.4, 0.35, 0.8]]), lesion, None, [scan])
        >>> difference = paired_difference(good, poor, "auroc", replicates=100)
        >>> difference.value, difference.lower, difference.upper
        (0.25, 0.25, 0.25)
    """
    _refuse_unpaired(first, second)
    ours, theirs = (replicate(histogram, (), replicates, seed, subjects) for histogram in (first, second))
    check_choice("figure", figure, ours)
    difference = ours[figure] - theirs[figure]
    value = observed(first, figure) - observed(second, figure)
    if n_patients(first, subjects) < 2:
        return Difference(value, np.nan, np.nan, np.nan)
    defined = difference[~np.isnan(difference)]
    tail = min((defined <= 0).sum(), (defined >= 0).sum())
    p_value = min(1.0, 2 * (tail + 1) / (len(defined) + 1))
    return Difference(value, *interval(difference, level), float(p_value))


def _refuse_unpaired(first: ScoreHistogram, second: ScoreHistogram) -> None:
    missing = sorted(set(first.scans) ^ set(second.scans))
    if missing:
        raise PipelineError(f"a paired difference needs the same scans; only one side has {', '.join(missing[:8])}")
    for scan in first.scans:
        one, two = ((counts.n_positive, counts.n_negative) for counts in (first.scan(scan), second.scan(scan)))
        if one != two:
            raise PipelineError(f"a paired difference needs the same pixels; scan '{scan}' has {one} and {two}")
