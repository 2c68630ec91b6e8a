"""Histograms of several ranks, files or sites become one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.metrics.counts import Counts
from pipeline.metrics.scan_counts import State

SAME_SCAN = 0.01


def merge(*histograms: State) -> State:
    """Pool histograms of ranks, files or sites. A scan that several of them hold is counted once.

    Args:
        histograms: one or more.

    Raises:
        PipelineError: bits or supports differ; one scan id has different pixels, be it two scans or one in parts
            (distributed evaluation gives whole scans to a rank).

    Example:
        >>> import torch
        >>> from pipeline.metrics import ScoreHistogram
        >>> here, there = ScoreHistogram(), ScoreHistogram()
        >>> here.update(torch.tensor([[0.1, 0.9]]), torch.tensor([[0, 1]]), None, ["sub-1"])
        >>> there.update(torch.tensor([[0.2, 0.7]]), torch.tensor([[0, 1]]), None, ["sub-1"])
        >>> merge(here, there.with_prefix("site2-")).scans
        ['site2-sub-1', 'sub-1']
    """
    if not histograms:
        raise PipelineError("there is no histogram to merge")
    pooled = histograms[0].select(histograms[0].scans)
    for other in histograms[1:]:
        known = set(pooled.scans)
        if (other.bits, other.support) != (pooled.bits, pooled.support):
            raise PipelineError(
                f"histograms differ: {pooled.bits} bits on '{pooled.support}', {other.bits} bits on '{other.support}'; "
                "count again with one --bits, and one --support if these are the same pixels"
            )
        for scan in other.scans:
            if scan not in known:
                pooled.add(scan, other.scan(scan), other.voxel_ml(scan))
            elif not _same_scan(pooled.scan(scan), other.scan(scan)):
                raise PipelineError(
                    f"scan '{scan}' comes twice with different pixels; give whole scans, each with one id"
                )
    return pooled


def _same_scan(one: Counts, two: Counts) -> bool:
    """Same pixels, up to the last digits in which two devices or batch sizes may differ (1 % of the distribution)."""
    if (one.n_negative, one.n_positive) != (two.n_negative, two.n_positive):
        return False
    bins = np.union1d(one.bins, two.bins)
    return bool(np.abs(_shares_below(one, bins) - _shares_below(two, bins)).max() < SAME_SCAN)


def _shares_below(counts: Counts, bins: NDArray) -> NDArray:
    """Of each bin, the share of the pixels in it and below."""
    pixels = np.concatenate([[0], np.cumsum(counts.negatives + counts.positives, dtype=np.float64)])
    return pixels[np.searchsorted(counts.bins, bins, side="right")] / pixels[-1]
