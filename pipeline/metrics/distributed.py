"""Evaluation on several ranks: every scan counts once."""

from __future__ import annotations

from typing import Any

from torch import distributed

from pipeline.metrics.merging import merge
from pipeline.metrics.scan_counts import State


def gather(histogram: State, group: Any = None) -> State:
    """Histogram of all ranks, the same on each; the histogram itself where nothing is distributed.

    Each scan belongs to one rank as a whole. A scan that a padded sampler gave to several ranks counts once.

    Args:
        histogram: of the scans of this rank.
        group: process group of torch.distributed; None is the default group.

    Raises:
        PipelineError: ranks hold different parts of one scan.

    Example:
        Without torch.distributed there is nothing to gather:

        >>> from pipeline.metrics import ScoreHistogram
        >>> histogram = ScoreHistogram()
        >>> gather(histogram) is histogram
        True
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return histogram
    histogram._settle()
    parts: list[Any] = [None] * distributed.get_world_size(group)
    distributed.all_gather_object(parts, histogram, group)
    return merge(*parts)


def gather_rows(rows: list[Any], group: Any = None) -> list[Any]:
    """The rows of all ranks, those of the first rank first, the same on each; the rows themselves where alone.

    Args:
        rows: of this rank; any objects that can be pickled.
        group: process group of torch.distributed; None is the default group.

    Example:
        >>> gather_rows([{"scan": "sub-1", "dice": 0.5}])
        [{'scan': 'sub-1', 'dice': 0.5}]
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return rows
    parts: list[Any] = [None] * distributed.get_world_size(group)
    distributed.all_gather_object(parts, rows, group)
    return [row for part in parts for row in part]
