"""Curves and figures as pure functions of counts. Masks are `score >= threshold`, thresholds are bin edges."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.metrics.bins import lowest_score
from pipeline.metrics.confusion import Confusion
from pipeline.metrics.counts import Counts

ROUNDING = 1e-12
Array = NDArray[np.float64]


class Bounded(NamedTuple):
    """A figure with the least and the greatest value that any order of the pixels inside the bins allows."""

    value: float
    lower: float
    upper: float


class BestDice(NamedTuple):
    """Best pooled Dice over all thresholds, its IoU and its threshold."""

    dice: float
    iou: float
    threshold: float


class Curve(NamedTuple):
    """Points of a curve by descending threshold: the pixels with `score >= threshold[i]` give (x[i], y[i])."""

    x: Array
    y: Array
    threshold: NDArray[np.float32]


def _descending(counts: Counts) -> tuple[Array, Array, Array, Array]:
    """Positives and negatives of each bin from the highest down, and their running sums."""
    positives, negatives = (part[::-1].astype(np.float64) for part in (counts.positives, counts.negatives))
    return positives, negatives, positives.cumsum(), negatives.cumsum()


def _bounded(value: float, lower: float, upper: float) -> Bounded:
    """Bounds opened by the rounding of the sums, inside [0, 1]."""
    return Bounded(float(value), max(0.0, float(lower) - ROUNDING), min(1.0, float(upper) + ROUNDING))


def average_precision(counts: Counts) -> Bounded:
    """Average precision, `Σ (R_n − R_{n−1}) P_n`, each bin as one step of ties; nan without a lesion pixel.

    Bounds, with T and F the lesion and normal pixels above a bin of p and n: best with all p first,
    `p (T+p) / (T+p+F)`; worst with all n first, `Σ_{k=1..p} (T+k) / (T+k+F+n)`, taken from below as
    `p − (F+n) log(1 + p / (T+F+n+½))`. A bin of a single score is known exactly.
    """
    p, n, tp, fp = (part[counts.positives[::-1] > 0] for part in _descending(counts))
    tied = counts.tied[::-1][counts.positives[::-1] > 0]
    if not len(p):
        return Bounded(np.nan, np.nan, np.nan)
    value = p * tp / (tp + fp)
    worst = np.where(p == 1, value, p - fp * np.log1p(p / (tp - p + fp + 0.5)))
    best = p * tp / (tp + fp - n)
    lower, upper = np.where(tied, value, worst), np.where(tied, value, best)
    return _bounded(*(part.sum() / tp[-1] for part in (value, lower, upper)))


def auroc(counts: Counts) -> Bounded:
    """Area under the ROC curve, P(lesion > normal) + ½ P(tie); nan where a class is empty."""
    p, n, tp, fp = _descending(counts)
    if not (len(p) and tp[-1] and fp[-1]):
        return Bounded(np.nan, np.nan, np.nan)
    pairs = tp[-1] * fp[-1]
    sure = (p * (fp[-1] - fp)).sum() / pairs
    half = p * n / pairs / 2
    unknown = half[~counts.tied[::-1]].sum()
    value = sure + half.sum()
    return _bounded(value, value - unknown, value + unknown)


def auprc_trapezoid(counts: Counts) -> float:
    """Trapezoid over the precision-recall curve, for parity with published code only: a constant map scores about
    0.5.
    """
    _, _, tp, fp = _descending(counts)
    if not (len(tp) and tp[-1]):
        return np.nan
    precision, recall = np.r_[1, tp / (tp + fp)], np.r_[0, tp / tp[-1]]
    return float((np.diff(recall) * (precision[1:] + precision[:-1])).sum() / 2)


def pr_curve(counts: Counts) -> Curve:
    """Precision (y) over recall (x); recall is nan without a lesion pixel."""
    _, _, tp, fp = _descending(counts)
    return Curve(tp / (tp[-1] or np.nan), tp / (tp + fp), counts.lower[::-1])


def roc_curve(counts: Counts) -> Curve:
    """True (y) over false positive rate (x); nan where a class is empty."""
    _, _, tp, fp = _descending(counts)
    return Curve(fp / (fp[-1] or np.nan), tp / (tp[-1] or np.nan), counts.lower[::-1])


def best_dice(counts: Counts) -> BestDice:
    """Best Dice `2 TP / (TP + FP + P)` over all thresholds; nan without a lesion pixel."""
    _, _, tp, fp = _descending(counts)
    if not (len(tp) and tp[-1]):
        return BestDice(np.nan, np.nan, np.nan)
    dice = 2 * tp / (tp + fp + tp[-1])
    best = int(dice.argmax())
    return BestDice(float(dice[best]), float(dice[best] / (2 - dice[best])), float(counts.lower[::-1][best]))


def confusion(counts: Counts, threshold: float) -> Confusion:
    """Confusion counts of the mask `score >= snap(threshold)`."""
    tp, fp = counts.at_least(threshold)
    return Confusion(tp, fp, counts.n_positive - tp, counts.n_negative - fp)


def percentile(counts: Counts, q: float) -> float:
    """Smallest bin edge that at most `100 − q` % of all pixels reach, so that ties never let more pixels through."""
    above = _pixels(counts)[::-1].cumsum()
    return edge_for(counts, int(above[-1] * (100 - q) / 100 * (1 + 1e-12)))


def edge_for(counts: Counts, allowed: int) -> float:
    """Smallest bin edge that at most `allowed` pixels reach (the edge above all scores for 0)."""
    above = _pixels(counts)[::-1].cumsum()
    passed = int(np.searchsorted(above, allowed, side="right"))
    if passed == len(above):
        return float(counts.lower[0])
    # The edge right above the first bin that lets too many through; the next occupied bin would depend on the sample.
    return float(lowest_score(counts.bins[::-1][passed : passed + 1] + 1, counts.bits)[0])


def _pixels(counts: Counts) -> NDArray[np.int64]:
    return counts.negatives.astype(np.int64) + counts.positives


def overlap_share(counts: Counts, bins: int = 100) -> float:
    """Common part of the histograms of normal and lesion pixels, `Σ min(n_i / N, p_i / P)`; nan with an empty class.

    `bins` bins of equal width between the 0.1th and the 99.9th percentile of all pixels, the outer two open
    (Silva-Rodríguez 2022, Fig. 6).
    """
    if not (counts.n_negative and counts.n_positive):
        return np.nan
    inner = np.linspace(percentile(counts, 0.1), percentile(counts, 99.9), bins + 1)[1:-1]
    where = np.digitize(counts.lower, inner)
    shares = [np.bincount(where, part, bins) / part.sum() for part in (counts.negatives, counts.positives)]
    return float(np.minimum(*shares).sum())


def calibration_curve(normals: Counts, counts: Counts, q: ArrayLike = tuple(range(80, 100))) -> tuple[Array, Array]:
    """False positive rates that percentiles of held-out `normals` promise (`1 − q/100`) and have on `counts`."""
    percentiles = np.asarray(q, np.float64)
    found = [confusion(counts, percentile(normals, value)).fpr for value in percentiles]
    return 1 - percentiles / 100, np.array(found)
