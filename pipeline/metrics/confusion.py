"""Counts of a mask against a label, and the shares that are made of them."""

from __future__ import annotations

from typing import NamedTuple


class Confusion(NamedTuple):
    """Confusion counts of a mask against a label.

    Args:
        tp: true positives, in pixels.
        fp: false positives, in pixels.
        fn: false negatives, in pixels.
        tn: true negatives, in pixels.

    Example:
        >>> counts = Confusion(tp=6, fp=2, fn=4, tn=88)
        >>> round(counts.dice, 3), round(counts.iou, 3)
        (0.667, 0.5)
        >>> counts.precision, counts.recall
        (0.75, 0.6)
    """

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
