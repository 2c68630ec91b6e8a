"""Percentiles of scores, and what two distributions of scores have in common, as pure functions of counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.metrics.bins import lowest_score
from pipeline.metrics.counts import Counts
from pipeline.metrics.curves import Array, confusion


def percentile(counts: Counts, q: float) -> float:
    """Smallest bin edge that at most `100 − q` % of all pixels reach, so that ties never let more pixels through.

    Args:
        counts: of one scan or of many.
        q: in [0, 100].

    Example:
        >>> import torch
        >>> from pipeline.metrics import ScoreHistogram
        >>> normals = ScoreHistogram()
        >>> normals.update(torch.arange(100.0)[None], None, None, ["sub-1"])
        >>> value = percentile(normals.pooled(), 95)
        >>> 94 < value <= 95, normals.pooled().at_least(value)
        (True, (0, 5))
    """
    above = _pixels(counts)[::-1].cumsum()
    return edge_for(counts, int(above[-1] * (100 - q) / 100 * (1 + 1e-12)))


def edge_for(counts: Counts, allowed: int) -> float:
    """Smallest bin edge that at most `allowed` pixels reach; for 0 it is the edge above all scores.

    Args:
        counts: of one scan or of many.
        allowed: number of pixels.

    Example:
        >>> import torch
        >>> from pipeline.metrics import ScoreHistogram
        >>> normals = ScoreHistogram()
        >>> normals.update(torch.arange(100.0)[None], None, None, ["sub-1"])
        >>> normals.pooled().at_least(edge_for(normals.pooled(), allowed=3))
        (0, 3)
    """
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

    The bins have equal width between the 0.1th and the 99.9th percentile of all pixels, and the outer two are open.

    Args:
        counts: of one scan or of many.
        bins: number of bins.

    Source: Silva-Rodríguez et al. 2022, Fig. 6.

    Example:
        >>> import torch
        >>> from pipeline.metrics import ScoreHistogram
        >>> histogram = ScoreHistogram()
        >>> scores = torch.tensor([[0.1, 0.2, 0.3, 0.8, 0.2, 0.8, 0.8, 0.8]])
        >>> histogram.update(scores, torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1]]), None, ["sub-1"])
        >>> overlap_share(histogram.pooled())  # one quarter of each class lies at 0.2 and one at 0.8
        0.5
    """
    if not (counts.n_negative and counts.n_positive):
        return np.nan
    inner = np.linspace(percentile(counts, 0.1), percentile(counts, 99.9), bins + 1)[1:-1]
    where = np.digitize(counts.lower, inner)
    shares = [np.bincount(where, part, bins) / part.sum() for part in (counts.negatives, counts.positives)]
    return float(np.minimum(*shares).sum())


def calibration_curve(normals: Counts, counts: Counts, q: ArrayLike = tuple(range(80, 100))) -> tuple[Array, Array]:
    """False positive rates that percentiles of held-out normals promise (`1 − q/100`) and have on other pixels.

    Args:
        normals: of the held-out normals that give the percentiles.
        counts: of the pixels to look at.
        q: percentiles, in [0, 100].

    Returns:
        Two arrays of the length of q: the promised and the found rates.

    Example:
        >>> import torch
        >>> from pipeline.metrics import ScoreHistogram
        >>> normals, brighter = ScoreHistogram(), ScoreHistogram()
        >>> normals.update(torch.arange(100.0)[None], None, None, ["sub-1"])
        >>> brighter.update(torch.arange(100.0)[None] + 5, None, None, ["sub-2"])
        >>> promised, found = calibration_curve(normals.pooled(), brighter.pooled(), q=[80, 90])
        >>> promised.round(2).tolist(), found.round(2).tolist()
        ([0.2, 0.1], [0.25, 0.15])
    """
    percentiles = np.asarray(q, np.float64)
    found = [confusion(counts, percentile(normals, value)).fpr for value in percentiles]
    return 1 - percentiles / 100, np.array(found)
