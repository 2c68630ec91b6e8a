"""Curves and figures as pure functions of counts. Masks are `score >= threshold`, thresholds are bin edges."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.confusion import Confusion
from pipeline.metrics.counts import Counts

ROUNDING = 1e-12
Array = NDArray[np.float64]


class Bounded(NamedTuple):
    """A figure, and how far the order of the pixels inside the bins could move it.

    Args:
        value: the figure.
        lower: the least value that any order allows.
        upper: the greatest value that any order allows.

    Example:
        >>> figure = Bounded(0.75, 0.74, 0.76)
        >>> figure.lower <= figure.value <= figure.upper
        True
    """

    value: float
    lower: float
    upper: float


class BestDice(NamedTuple):
    """The best pooled Dice over all thresholds.

    Args:
        dice: the highest Dice, in [0, 1].
        iou: the intersection over union there, `dice / (2 − dice)`.
        threshold: the bin edge where it is reached.

    Example:
        >>> BestDice(dice=0.8, iou=0.8 / (2 - 0.8), threshold=0.35).threshold
        0.35
    """

    dice: float
    iou: float
    threshold: float


class Curve(NamedTuple):
    """Points of a curve by descending threshold: the pixels with `score >= threshold[i]` give (x[i], y[i]).

    Args:
        x: [K] in [0, 1].
        y: [K] in [0, 1].
        threshold: [K] float32 bin edges, descending.

    Example:
        >>> import numpy as np
        >>> recall, precision = np.array([0.5, 1.0]), np.array([1.0, 0.8])
        >>> curve = Curve(recall, precision, np.float32([0.75, 0.5]))
        >>> float(curve.y[curve.threshold == 0.5][0])
        0.8
    """

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

    Args:
        counts: of one scan or of many.

    Example:
        >>> import torch
        >>> from pipeline.metrics import ScoreHistogram
        >>> histogram = ScoreHistogram()
        >>> scores, lesion = torch.tensor([[0.1, 0.4, 0.35, 0.8]]), torch.tensor([[0, 0, 1, 1]])
        >>> histogram.update(scores, lesion, None, ["sub-1"])
        >>> round(average_precision(histogram.pooled()).value, 4)
        0.8333
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
    """Area under the ROC curve, `P(lesion > normal) + ½ P(tie)`; nan where a class is empty.

    Args:
        counts: of one scan or of many.

    Example:
        >>> import torch
        >>> from pipeline.metrics import ScoreHistogram
        >>> histogram = ScoreHistogram()
        >>> scores, lesion = torch.tensor([[0.1, 0.4, 0.35, 0.8]]), torch.tensor([[0, 0, 1, 1]])
        >>> histogram.update(scores, lesion, None, ["sub-1"])
        >>> auroc(histogram.pooled()).value
        0.75
    """
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
    """Trapezoid over the precision-recall curve, nan without a lesion pixel. It is here for parity with published code
    only: a map that is constant scores about 0.5.

    Args:
        counts: of one scan or of many.

    Example:
        >>> import torch
        >>> from pipeline.metrics import ScoreHistogram
        >>> histogram = ScoreHistogram()
        >>> scores, lesion = torch.tensor([[0.1, 0.4, 0.35, 0.8]]), torch.tensor([[0, 0, 1, 1]])
        >>> histogram.update(scores, lesion, None, ["sub-1"])
        >>> round(auprc_trapezoid(histogram.pooled()), 4)
        0.7917
    """
    _, _, tp, fp = _descending(counts)
    if not (len(tp) and tp[-1]):
        return np.nan
    precision, recall = np.r_[1, tp / (tp + fp)], np.r_[0, tp / tp[-1]]
    return float((np.diff(recall) * (precision[1:] + precision[:-1])).sum() / 2)


def pr_curve(counts: Counts) -> Curve:
    """Precision (y) over recall (x); recall is nan without a lesion pixel.

    Args:
        counts: of one scan or of many.

    Example:
        >>> import torch
        >>> from pipeline.metrics import ScoreHistogram
        >>> histogram = ScoreHistogram()
        >>> scores, lesion = torch.tensor([[0.1, 0.4, 0.35, 0.8]]), torch.tensor([[0, 0, 1, 1]])
        >>> histogram.update(scores, lesion, None, ["sub-1"])
        >>> curve = pr_curve(histogram.pooled())
        >>> curve.x.tolist()
        [0.5, 0.5, 1.0, 1.0]
        >>> curve.y.round(2).tolist()
        [1.0, 0.5, 0.67, 0.5]
    """
    _, _, tp, fp = _descending(counts)
    return Curve(tp / (tp[-1] or np.nan), tp / (tp + fp), counts.lower[::-1])


def roc_curve(counts: Counts) -> Curve:
    """True positive rate (y) over false positive rate (x); nan where a class is empty.

    Args:
        counts: of one scan or of many.

    Example:
        >>> import torch
        >>> from pipeline.metrics import ScoreHistogram
        >>> histogram = ScoreHistogram()
        >>> scores, lesion = torch.tensor([[0.1, 0.4, 0.35, 0.8]]), torch.tensor([[0, 0, 1, 1]])
        >>> histogram.update(scores, lesion, None, ["sub-1"])
        >>> curve = roc_curve(histogram.pooled())
        >>> list(zip(curve.x.tolist(), curve.y.tolist()))
        [(0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0)]
    """
    _, _, tp, fp = _descending(counts)
    return Curve(fp / (fp[-1] or np.nan), tp / (tp[-1] or np.nan), counts.lower[::-1])


def best_dice(counts: Counts) -> BestDice:
    """Best Dice `2 TP / (TP + FP + P)` over all thresholds, with P the number of lesion pixels; nan without one.

    Args:
        counts: of one scan or of many.

    Example:
        >>> import torch
        >>> from pipeline.metrics import ScoreHistogram
        >>> histogram = ScoreHistogram()
        >>> scores, lesion = torch.tensor([[0.1, 0.4, 0.35, 0.8]]), torch.tensor([[0, 0, 1, 1]])
        >>> histogram.update(scores, lesion, None, ["sub-1"])
        >>> best = best_dice(histogram.pooled())
        >>> best.dice, round(best.iou, 3), round(best.threshold, 2)
        (0.8, 0.667, 0.35)
    """
    _, _, tp, fp = _descending(counts)
    if not (len(tp) and tp[-1]):
        return BestDice(np.nan, np.nan, np.nan)
    dice = 2 * tp / (tp + fp + tp[-1])
    best = int(dice.argmax())
    return BestDice(float(dice[best]), float(dice[best] / (2 - dice[best])), float(counts.lower[::-1][best]))


def confusion(counts: Counts, threshold: float) -> Confusion:
    """Confusion counts of the mask `score >= snap(threshold)`.

    Args:
        counts: of one scan or of many.
        threshold: a score.

    Example:
        >>> import torch
        >>> from pipeline.metrics import ScoreHistogram
        >>> histogram = ScoreHistogram()
        >>> scores, lesion = torch.tensor([[0.1, 0.4, 0.35, 0.8]]), torch.tensor([[0, 0, 1, 1]])
        >>> histogram.update(scores, lesion, None, ["sub-1"])
        >>> confusion(histogram.pooled(), 0.5)
        Confusion(tp=1, fp=0, fn=1, tn=2)
    """
    tp, fp = counts.at_least(threshold)
    return Confusion(tp, fp, counts.n_positive - tp, counts.n_negative - fp)
