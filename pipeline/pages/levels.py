"""A map as a page carries it: 8 bits that give the very mask of every stop of a slider."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_STOPS = 255


def reached(scores: NDArray[np.floating], support: NDArray[np.bool_], stops: NDArray[np.float32]) -> NDArray[np.uint8]:
    """How many stops each score reaches, 0 outside the support: the mask `score >= stops[k]` is `levels > k`.

    Args:
        scores: of any shape.
        support: of the same shape, the voxels that are judged.
        stops: [K] ascending thresholds, at most 255.

    Example:
        >>> import numpy as np
        >>> reached(np.float32([0.1, 0.5, 0.9]), np.array([True, True, False]), np.float32([0.5, 0.7])).tolist()
        [0, 1, 0]
    """
    levels = np.searchsorted(stops, scores.astype(np.float32, copy=False), side="right")
    return (levels * support).astype(np.uint8)
