"""Counts of normal and lesion pixels a bin: what every curve, threshold and interval is computed from."""

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
        negatives, positives: [K] number of normal and of lesion pixels in each.
        bits: resolution of the bins.
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
    """Sum of counts over scans, batches or sites; all of one resolution."""
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
