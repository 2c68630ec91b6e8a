"""Intervals and paired differences over patients, from the histograms of the scans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PipelineError, check_choice
from pipeline.metrics.curves import average_precision, confusion
from pipeline.metrics.histogram import ScoreHistogram
from pipeline.metrics.thresholds import Threshold

COARSE_BINS = 4096
CHUNK = 64
Array = NDArray[np.float64]


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


def replicate(
    histogram: ScoreHistogram,
    thresholds: Sequence[Threshold] = (),
    replicates: int = 1000,
    seed: int = 0,
    subjects: Mapping[str, str] | None = None,
) -> dict[str, Array]:
    """Figures of patients drawn with replacement: `auprc`, `auroc`, `dice@oracle`, `scan_ap` and `dice@<rule>`.

    Each is [replicates]. `scan_ap` is the mean average precision of the scans with a lesion, the others are pooled.

    Bins are joined to at most 4,096 groups first, so that a replicate is one row of a matrix product; this moves AP by
    about 1e-4. A replicate that lacks a class is nan. Two histograms of the same scans that are drawn with the same
    seed have the same patients in each replicate.

    Args:
        histogram: of the test scans.
        thresholds: one for each `dice@<rule>`.
        replicates: number of draws.
        seed: of the draws.
        subjects: patient of each scan id; None takes each scan for a patient.

    Source: Efron 1979.

    Example:
        >>> import torch
        >>> from pipeline.metrics import ScoreHistogram
        >>> histogram = ScoreHistogram()
        >>> for scan in range(3):
        ...     maps = torch.tensor([[0.1, 0.2 + 0.1 * scan, 0.35, 0.8]])
        ...     histogram.update(maps, torch.tensor([[0, 0, 1, 1]]), None, [f"sub-{scan}"])
        >>> samples = replicate(histogram, replicates=200)
        >>> {name: values.shape for name, values in samples.items()}
        {'auprc': (200,), 'auroc': (200,), 'dice@oracle': (200,), 'scan_ap': (200,)}
        >>> float(samples["auroc"].min()), float(samples["auroc"].max())
        (0.75, 1.0)
    """
    scans = histogram.scans
    patients, owner = np.unique(_patients(histogram, subjects), return_inverse=True)
    chances = np.full(len(patients), 1 / len(patients))
    draws = np.random.default_rng(seed).multinomial(len(patients), chances, replicates)
    weights = draws[:, owner].astype(np.float64)
    figures: dict[str, list[Array]] = {"auprc": [], "auroc": [], "dice@oracle": []}
    for positives, negatives in _resampled(weights, *_coarse(histogram)):
        for name, values in _figures(positives, negatives).items():
            figures[name].append(values)
    result = {name: np.concatenate(parts) for name, parts in figures.items()}
    result["scan_ap"] = _weighted_mean(scan_precisions(histogram), weights)
    for threshold in thresholds:
        if threshold.rule != "oracle":
            tp, fp, fn, _ = (weights @ np.array([confusion(histogram.scan(scan), threshold.value) for scan in scans])).T
            result[f"dice@{threshold.rule}"] = _share(2 * tp, 2 * tp + fp + fn, empty=1.0)
    return result


def _patients(histogram: ScoreHistogram, subjects: Mapping[str, str] | None) -> list[str]:
    return [(subjects or {}).get(scan, scan) for scan in histogram.scans]


def n_patients(histogram: ScoreHistogram, subjects: Mapping[str, str] | None = None) -> int:
    """Patients of a histogram; from fewer than two there is no interval, since nothing says how patients differ.

    Args:
        histogram: of the scans.
        subjects: see `replicate`.

    Example:
        >>> import torch
        >>> from pipeline.metrics import ScoreHistogram
        >>> histogram = ScoreHistogram()
        >>> histogram.update(torch.tensor([[0.1], [0.8]]), torch.tensor([[0], [1]]), None, ["a-1", "a-2"])
        >>> n_patients(histogram), n_patients(histogram, {"a-1": "a", "a-2": "a"})
        (2, 1)
    """
    return len(set(_patients(histogram, subjects)))


def _coarse(histogram: ScoreHistogram) -> tuple[Array, Array]:
    """Positives and negatives of each scan, [scans, groups], by descending score.

    Neighbouring bins are joined by their share of the positives, of the negatives and of the logarithm of the rank, so
    that the few pixels of the highest scores, on which precision turns, stay apart.
    """
    pooled = histogram.pooled()
    shares = [part[::-1].cumsum() / max(part.sum(), 1) for part in (pooled.positives, pooled.negatives)]
    rank = np.log1p((pooled.positives + pooled.negatives)[::-1].cumsum())
    mass = sum(shares) + rank / rank[-1]
    _, group = np.unique(np.floor(mass / mass[-1] * COARSE_BINS * (1 - 1e-12)), return_inverse=True)
    rows: list[list[Array]] = [[], []]
    for scan in histogram.scans:
        counts = histogram.scan(scan)
        where = group[::-1][np.searchsorted(pooled.bins, counts.bins)]
        for row, part in zip(rows, (counts.positives, counts.negatives), strict=True):
            row.append(np.bincount(where, part, group[-1] + 1).astype(np.float64))
    return np.array(rows[0]), np.array(rows[1])


def _resampled(weights: Array, positives: Array, negatives: Array) -> Iterator[tuple[Array, Array]]:
    for start in range(0, len(weights), CHUNK):
        part = weights[start : start + CHUNK]
        yield part @ positives, part @ negatives


def _figures(p: Array, n: Array) -> dict[str, Array]:
    """Average precision, AUROC and best Dice of each row of counts by descending score."""
    tp, fp = p.cumsum(1), n.cumsum(1)
    n_positive, n_negative = tp[:, -1], fp[:, -1]
    pairs = (p * (n_negative[:, None] - fp + n / 2)).sum(1)
    return {
        "auprc": _share((p * _share(tp, tp + fp, empty=0.0)).sum(1), n_positive),
        "auroc": _share(pairs, n_positive * n_negative),
        "dice@oracle": np.where(n_positive > 0, (2 * tp / (tp + fp + n_positive[:, None]).clip(1)).max(1), np.nan),
    }


def _share(part: Array, whole: Array, empty: float = np.nan) -> Array:
    return np.divide(part, whole, out=np.full(part.shape, empty), where=whole > 0)


def scan_precisions(histogram: ScoreHistogram) -> Array:
    """Average precision of each scan, [scans]; nan for a scan without a lesion.

    Args:
        histogram: of the test scans.

    Example:
        >>> import torch
        >>> from pipeline.metrics import ScoreHistogram
        >>> histogram = ScoreHistogram()
        >>> for scan, lesion in {"sub-1": [0, 1], "sub-2": [1, 0], "sub-3": [0, 0]}.items():
        ...     histogram.update(torch.tensor([[0.1, 0.8]]), torch.tensor([lesion]), None, [scan])
        >>> scan_precisions(histogram).tolist()
        [1.0, 0.5, nan]
    """
    return np.array([average_precision(histogram.scan(scan)).value for scan in histogram.scans])


def _weighted_mean(values: Array, weights: Array) -> Array:
    """Mean of the defined values by each row of weights; nan where they weigh nothing."""
    defined = ~np.isnan(values)
    return _share(weights[:, defined] @ values[defined], weights[:, defined].sum(1))


def interval(values: Array, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of replicates; nan where none is defined.

    Args:
        values: [replicates], of which nan are left out.
        level: share of the replicates inside, in (0, 1).

    Example:
        >>> low, high = interval(np.arange(101) / 100)
        >>> round(low, 3), round(high, 3)
        (0.025, 0.975)
    """
    values = values[~np.isnan(values)]
    if not len(values):
        return np.nan, np.nan
    lower, upper = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(lower), float(upper)


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
    samples = [replicate(histogram, (), replicates, seed, subjects) for histogram in (first, second)]
    check_choice("figure", figure, samples[0])
    difference = samples[0][figure] - samples[1][figure]
    value = _observed(first, figure) - _observed(second, figure)
    if n_patients(first, subjects) < 2:
        return Difference(value, np.nan, np.nan, np.nan)
    defined = difference[~np.isnan(difference)]
    tail = min((defined <= 0).sum(), (defined >= 0).sum())
    p_value = min(1.0, 2 * (tail + 1) / (len(defined) + 1))
    return Difference(value, *interval(difference, level), float(p_value))


def _observed(histogram: ScoreHistogram, figure: str) -> float:
    """A figure of `replicate`, of every patient once; nan where it is undefined."""
    if figure == "scan_ap":
        each = scan_precisions(histogram)[None]
        return float(_weighted_mean(each[0], np.ones_like(each))[0])
    return float(_figures(*(part.sum(0, keepdims=True) for part in _coarse(histogram)))[figure][0])


def _refuse_unpaired(first: ScoreHistogram, second: ScoreHistogram) -> None:
    missing = sorted(set(first.scans) ^ set(second.scans))
    if missing:
        raise PipelineError(f"a paired difference needs the same scans; only one side has {', '.join(missing[:8])}")
    for scan in first.scans:
        one, two = ((counts.n_positive, counts.n_negative) for counts in (first.scan(scan), second.scan(scan)))
        if one != two:
            raise PipelineError(f"a paired difference needs the same pixels; scan '{scan}' has {one} and {two}")
