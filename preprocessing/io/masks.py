"""What the values of a mask mean: one rule for all who read one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from preprocessing.errors import PreprocessingError

WHOLE = 1e-3  # stored as scaled integers, or resampled, a 1 may read 0.9999999
INSIDE = 0.5  # of a probability
OVERSHOOT = 0.25  # a spline or a windowed sinc makes -0.1 to 1.1 of 0 and 1


def is_whole(values: np.ndarray) -> bool:
    """Whether all values are whole numbers, within 0.001."""
    with np.errstate(invalid="ignore"):  # infinity is no whole number
        return bool((np.abs(values - np.rint(values)) <= WHOLE).all())


def read_mask(values: np.ndarray, path: Path, probability: float = INSIDE) -> np.ndarray:
    """`[v > 0]` of whole numbers, else `[v ≥ probability]` of fractions from 0 to 1; a boolean array.

    Args:
        values: of the file, any shape.
        path: of the file, for messages.
        probability: smallest probability that is inside, in (0, 1].

    Raises:
        PreprocessingError: NaN, or fractions that are no probabilities.

    Example:
        >>> read_mask(np.array([0, 1e-6, 0.9999, 2]), Path("mask.nii")).tolist()
        [False, False, True, True]
        >>> read_mask(np.array([0.0, 0.2, 0.7, 1.0]), Path("mask.nii")).tolist()
        [False, False, True, True]
    """
    if is_whole(values):
        return np.asarray(np.rint(values) > 0)
    check_fractions(values, path)
    return np.asarray(values >= probability)


def check_fractions(values: np.ndarray, path: Path) -> None:
    """Refuse fractions that are no probabilities of a mask.

    Raises:
        PreprocessingError: NaN, or values far from 0 to 1.
    """
    low, high = values.min(), values.max()
    if not (low >= -OVERSHOOT and high <= 1 + OVERSHOOT):
        raise PreprocessingError(
            f"{path}: fractions from {low:g} to {high:g}; a mask has whole numbers or probabilities from 0 to 1: "
            "resample it by nearest neighbour, or divide it by its largest value"
        )
