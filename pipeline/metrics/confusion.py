"""Counts of a mask against a label, and the shares that are made of them."""

from __future__ import annotations

from typing import NamedTuple


class Confusion(NamedTuple):
    """True and false positives, false and true negatives, in pixels."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def dice(self) -> float:
        """`2 TP / (2 TP + FP + FN)`; an empty mask of an empty label scores 1."""
        return _share(2 * self.tp, self.fp + self.fn, empty=1.0)

    @property
    def iou(self) -> float:
        """`TP / (TP + FP + FN)`; an empty mask of an empty label scores 1."""
        return _share(self.tp, self.fp + self.fn, empty=1.0)

    @property
    def precision(self) -> float:
        """`TP / (TP + FP)`, nan for an empty mask."""
        return _share(self.tp, self.fp)

    @property
    def recall(self) -> float:
        """`TP / (TP + FN)`, nan for an empty label."""
        return _share(self.tp, self.fn)

    @property
    def fpr(self) -> float:
        """`FP / (FP + TN)`, nan where all is lesion."""
        return _share(self.fp, self.tn)


def _share(part: int, rest: int, empty: float = float("nan")) -> float:
    return part / (part + rest) if part + rest else empty
