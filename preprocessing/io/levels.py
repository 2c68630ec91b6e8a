"""Values of an MRI from the level of its air, within robust limits."""

from __future__ import annotations

import numpy as np

AIR, BRIGHT = 5.0, 99.9  # percentiles
FAR = 0.1  # of the reach: air that is farther from zero is moved there
LIMIT = 3.0  # reaches above air and below it: no tissue is there
_FLAT = 0.05


def from_air(image: np.ndarray) -> np.ndarray:
    """An MRI [X, Y, Z] whose air is about zero: `clip(v − air, −3 reach, 3 reach)`.

    `air` is the 5th percentile and `reach` the 99.9th above it. Air nearer to zero than a tenth of the reach stays as
    it is. One voxel at 1e6 is cut to the limit, padding far below the air becomes air; a usual image is not changed.
    """
    padding, floor = _padding(image)
    inside = image if padding is None else image[image != padding]
    air, bright = np.percentile(inside, (AIR, BRIGHT))
    reach = bright - air
    if reach <= 0:
        return image
    level = air if abs(air) > FAR * reach else 0.0
    values = image if padding is None else np.where(image == padding, floor, image)
    return np.clip(values - level, air - level - LIMIT * reach, air - level + LIMIT * reach).astype(np.float32)


def _padding(image: np.ndarray) -> tuple[float | None, float]:
    """The value below zero that fills what was not scanned, if there is one, and the level of the air above it.

    It is one value, far below all others, and above it the air is flat; the brain of a stripped image is not.
    """
    low = float(image.min())
    if low >= 0 or low == image.max():
        return None, low
    floor, air, bright = np.percentile(image[image > low], (0.1, AIR, BRIGHT))
    span = bright - floor
    far, flat = floor - low > span / 2, air - floor <= _FLAT * span
    return (low if far and flat else None), float(floor)
