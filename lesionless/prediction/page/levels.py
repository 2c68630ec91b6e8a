"""A map as a page carries it: 8 bits that give the very mask and volume of every stop of its slider."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics import Threshold
from pipeline.pages import reached
from pipeline.predict.native import NativeScores

BETWEEN = 120  # stops between the calibrated ones


@dataclass(frozen=True)
class Levels:
    """Stops of the slider and the map by them.

    Args:
        stops: ascending thresholds. rules: of each stop, the rule that it is, empty for those in between.
        map: [X, Y, Z] uint8, how many stops the score of a voxel reaches: the mask of stop k is `map ≥ k + 1`.
        voxels: of the mask of each stop.
    """

    stops: list[float]
    rules: list[str]
    map: NDArray[np.uint8]
    voxels: list[int]


def levels(native: NativeScores, thresholds: Sequence[Threshold]) -> Levels:
    """The map in levels: quantiles of its upper half, and the calibrated thresholds."""
    scores = native.scores[native.support]
    named = {np.float32(threshold.value): threshold.rule for threshold in reversed(thresholds)}
    spread = np.quantile(scores, np.linspace(0.5, 1, BETWEEN)) if len(scores) else np.zeros(0)
    stops = np.unique(np.concatenate([np.array([*named], np.float32), spread.astype(np.float32)]))
    found = reached(native.scores, native.support, stops)
    voxels = np.bincount(found.ravel(), minlength=len(stops) + 1)[::-1].cumsum()[::-1]
    rules = [named.get(stop, "") for stop in stops]
    return Levels([float(stop) for stop in stops], rules, found, [int(count) for count in voxels[1:]])
