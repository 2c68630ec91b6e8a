"""Intensities inside the brain: every method ends in [floor, 1] there and 0 outside."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform

from preprocessing.errors import PreprocessingError


class ScaleIntensityRobustd(Transform):
    """`image` [1, X, Y, Z] → [floor, 1] inside `brain`, 0 outside.

    `x' = clip((x − q_low) / (q_high − q_low) · high_value, floor, 1)` with the percentiles q of the brain voxels.
    A `high_value` below 1 leaves room above the normal tissue, so that bright lesions keep their own contrast; the
    floor keeps brain voxels apart from the background. Checks as in `into_unit_range`.

    Args:
        low: percentile of the brain, in [0, 100], that becomes 0.
        high: percentile of the brain, in [0, 100], that becomes `high_value`.
        high_value: the value of the upper percentile.
        floor: smallest value of a brain voxel.
        clipped: largest share of brain voxels at 1.

    Raises:
        PreprocessingError: the brain has no contrast, or too many voxels are clipped.
    """

    def __init__(self, low: float, high: float, high_value: float, floor: float, clipped: float) -> None:
        self.low, self.high = low, high
        self.high_value = high_value
        self.floor = floor
        self.clipped = clipped

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        image, values = data["image"][0].numpy(), brain_values(data)
        low, high = np.percentile(values, (self.low, self.high))
        if not high > low:
            path = data["scan"].image
            raise PreprocessingError(
                f"{path}: percentiles {self.low:g} and {self.high:g} of the brain are both {low:g}"
            )
        return into_unit_range(data, (image - low) * (self.high_value / (high - low)), self.floor, self.clipped)


class ScaleIntensityByMaxd(Transform):
    """`image` [1, X, Y, Z] → [floor, 1] inside `brain`, 0 outside: `x' = clip(x / max x, floor, 1)` over the brain.

    The scale hangs on one voxel, and a brighter lesion makes the rest of its brain darker. For magnitudes only: values
    below 0 end at the floor. Checks as in `into_unit_range`.

    Args:
        levels: round `x'` to this many equal steps from 0 to 1, such as 256 of an 8-bit picture; None: not.
        floor: smallest value of a brain voxel.
        floored: largest share of brain voxels at the floor.

    Raises:
        PreprocessingError: no brain voxel is above 0, or too many are at the floor.
    """

    def __init__(self, levels: int | None, floor: float, floored: float) -> None:
        self.levels = levels
        self.floor = floor
        self.floored = floored

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        largest = float(brain_values(data).max())
        if largest <= 0:
            raise PreprocessingError(
                f"{data['scan'].image}: the largest value of the brain is {largest:g}, not above 0"
            )
        scaled = data["image"][0].numpy() / largest
        if self.levels is not None:
            scaled = np.floor(scaled * (self.levels - 1)) / (self.levels - 1)
        return into_unit_range(data, scaled, self.floor, floored=self.floored)


class NormalizeInBraind(Transform):
    """`image` [1, X, Y, Z] → z-scores of the brain, mapped to [floor, 1] inside `brain`, 0 outside.

    `z = (x − μ) / σ` with mean and standard deviation of the brain voxels, `x' = clip((z − z_low) / (z_high − z_low),
    floor, 1)`: the two constants are the same for every scan, so `z = z_low + x' · (z_high − z_low)` gives the z-score
    back. Checks as in `into_unit_range`.

    Args:
        z_low: the z-score that becomes 0.
        z_high: the z-score that becomes 1.
        floor: smallest value of a brain voxel.
        clipped: largest share of brain voxels at 1, and also at the floor.

    Raises:
        PreprocessingError: the brain has no contrast, or too many voxels are clipped.
    """

    def __init__(self, z_low: float, z_high: float, floor: float, clipped: float) -> None:
        if not z_low < z_high:
            raise PreprocessingError(f"z_low {z_low:g} must be below z_high {z_high:g}")
        self.z_low, self.z_high = z_low, z_high
        self.floor = floor
        self.clipped = clipped

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        values = brain_values(data).astype(np.float64)
        mean, deviation = values.mean(), values.std()
        if not deviation > 0:
            raise PreprocessingError(f"{data['scan'].image}: every brain voxel is {mean:g}; a z-score needs contrast")
        z = (data["image"][0].numpy() - mean) / deviation
        scaled = (z - self.z_low) / (self.z_high - self.z_low)
        return into_unit_range(data, scaled, self.floor, self.clipped, self.clipped)


def brain_values(data: Mapping[Hashable, Any]) -> np.ndarray:
    """The voxels [N] of `image` inside `brain`."""
    return data["image"][0].numpy()[data["brain"][0].numpy() > 0]


def into_unit_range(
    data: Mapping[Hashable, Any], scaled: np.ndarray, floor: float, clipped: float = 1.0, floored: float = 1.0
) -> dict[Hashable, Any]:
    """`image` of the contract: `clip(scaled, floor, 1)` inside `brain`, 0 outside, float32.

    The checks are `clipped`, the share of brain voxels at 1, and `floored`, the share at the floor.

    Args:
        data: with `scan`, `image`, `brain`.
        scaled: [X, Y, Z], what should lie in [0, 1] inside the brain.
        floor: smallest value of a brain voxel, above 0, so that the brain is what is positive.
        clipped: largest share of brain voxels at 1.
        floored: largest share of brain voxels at the floor.

    Raises:
        PreprocessingError: too many voxels are clipped.
    """
    inside = data["brain"][0].numpy() > 0
    image = np.where(inside, np.clip(scaled, floor, 1), 0).astype(np.float32)
    values = image[inside]
    shares = {"clipped": float((values >= 1).mean()), "floored": float((values <= np.float32(floor)).mean())}
    for (name, share), limit, value in zip(shares.items(), (clipped, floored), (1, floor), strict=True):
        if share > limit:
            raise PreprocessingError(
                f"{data['scan'].image}: {share:.3f} of the brain voxels are {name}, at {value:g}; at most {limit:g}"
            )
    checks = {**data.get("checks", {}), **{name: round(share, 5) for name, share in shares.items()}}
    return {**data, "image": MetaTensor(torch.from_numpy(image)[None], data["image"].affine), "checks": checks}
