"""Figures of patients drawn with replacement, from the histograms of their scans, and their intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.curves import average_precision, confusion
from pipeline.metrics.histogram import ScoreHistogram
from pipeline.metrics.thresholds import Threshold

COARSE_BINS = 4096
CHUNK = 64
Array = NDArray[np.float64]


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


def observed(histogram: ScoreHistogram, figure: str) -> float:
    """A figure of `replicate`, of every patient once; nan where it is undefined.

    Args:
        histogram: of the test scans.
        figure: `auprc`, `auroc`, `dice@oracle` or `scan_ap`.

    Example:
        >>> import torch
        >>> from pipeline.metrics import ScoreHistogram
        >>> histogram = ScoreHistogram()
        >>> histogram.update(torch.tensor([[0.1, 0.4, 0.35, 0.8]]), torch.tensor([[0, 0, 1, 1]]), None, ["sub-1"])
        >>> observed(histogram, "auroc")
        0.75
    """
    if figure == "scan_ap":
        each = scan_precisions(histogram)[None]
        return float(_weighted_mean(each[0], np.ones_like(each))[0])
    return float(_figures(*(part.sum(0, keepdims=True) for part in _coarse(histogram)))[figure][0])


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
