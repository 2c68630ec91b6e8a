"""Counts of normal and lesion pixels in each bin: what every curve, threshold and interval is computed from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.bins import infinite_bin, lowest_score, snap


@dataclass(frozen=True)
class Counts:
    """Sparse histogram of the scores of one scan or of many.

    Args:
        bins: [K] numbers of the occupied bins, ascending (see `pipeline.metrics.bins`).
        negatives: [K] number of normal pixels in each bin.
        positives: [K] number of lesion pixels in each bin.
        bits: resolution of the bins, 10 to 22.

    Example:
        >>> import numpy as np
        >>> import torch
        >>> from pipeline.metrics.bins import bin_of
        >>> bins = bin_of(torch.tensor([0.0, 0.5, 1.0]), 20).numpy()
        >>> counts = Counts(bins, negatives=np.array([1, 1, 0]), positives=np.array([0, 1, 1]))
        >>> counts.n_negative, counts.n_positive, counts.lower.tolist()
        (2, 2, [0.0, 0.5, 1.0])
        >>> counts.at_least(0.5)  # lesion and normal pixels of the mask `score >= 0.5`
        (2, 1)
    """

    bins: NDArray[np.integer]
    negatives: NDArray[np.integer]
    positives: NDArray[np.integer]
    bits: int = 20

    @property
    def n_negative(self) -> int:
        """Normal pixels."""
        return int(self.negatives.sum(dtype=np.int64))

    @property
    def n_positive(self) -> int:
        """Lesion pixels."""
        return int(self.positives.sum(dtype=np.int64))

    @property
    def lower(self) -> NDArray[np.float32]:
        """[K] lower edge of each bin: the thresholds a histogram can answer exactly."""
        return lowest_score(self.bins, self.bits)

    @property
    def tied(self) -> NDArray[np.bool_]:
        """[K] bins that hold a single score, so that the order inside is known."""
        return self.bins % 2 == 0

    def possible(self) -> bool:
        """Whether bins ascend inside their range and no count is negative."""
        ascending = (np.diff(self.bins) > 0).all() and (np.abs(self.bins) < infinite_bin(self.bits)).all()
        return bool(ascending and (self.negatives >= 0).all() and (self.positives >= 0).all())

    def at_least(self, threshold: float) -> tuple[int, int]:
        """Lesion and normal pixels with `score >= snap(threshold)`."""
        first = int(np.searchsorted(self.lower, np.float32(snap(threshold, self.bits))))
        return int(self.positives[first:].sum(dtype=np.int64)), int(self.negatives[first:].sum(dtype=np.int64))


def total(parts: Iterable[Counts]) -> Counts:
    """Sum of counts over scans, batches or sites.

    Args:
        parts: one or more counts, all of one resolution.

    Example:
        >>> import numpy as np
        >>> one = Counts(np.array([0, 4]), np.array([5, 1]), np.array([0, 2]))
        >>> two = Counts(np.array([2, 4]), np.array([3, 1]), np.array([1, 1]))
        >>> both = total([one, two])
        >>> both.bins.tolist(), both.negatives.tolist(), both.positives.tolist()
        ([0, 2, 4], [5, 3, 2], [0, 1, 3])
    """
    parts = list(parts)
    occupied = [part.bins for part in parts if len(part.bins)]
    first = min((int(bins[0]) for bins in occupied), default=0)
    width = max((int(bins[-1]) for bins in occupied), default=-1) - first + 1
    sums = np.zeros((2, width), np.int64)
    for part in parts:
        sums[0, part.bins - first] += part.negatives
        sums[1, part.bins - first] += part.positives
    bins = np.flatnonzero(sums.any(0))
    return Counts(bins + first, sums[0, bins], sums[1, bins], parts[0].bits)
