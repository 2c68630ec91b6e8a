"""Intensities inside the brain."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform

from preprocessing.errors import PreprocessingError


class FlairLiked(Transform):
    """`image` of scans with `flair_like`: T1 → FLAIR-like contrast; others pass. Seeded by the id of the scan.

    Args:
        seed: of the data set.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        scan = data["scan"]
        if not scan.flair_like:
            return dict(data)
        from preprocessing.contrast import flair_like

        seed = int.from_bytes(hashlib.sha256(f"{self.seed}:{scan.id}".encode()).digest()[:4], "big")
        image = flair_like(data["image"][0].numpy(), data["brain"][0].numpy() > 0, seed)
        return {**data, "image": MetaTensor(torch.from_numpy(image.astype(np.float32))[None], data["image"].affine)}


class ScaleIntensityRobustd(Transform):
    """`image` [1, X, Y, Z] → [floor, 1] inside `brain`, 0 outside.

    `x' = clip((x − q_low) / (q_high − q_low) · high_value, floor, 1)` with the percentiles q of the brain voxels.
    A `high_value` below 1 leaves room above the normal tissue, so that bright lesions keep their own contrast; the
    floor keeps brain voxels apart from the background. The share of voxels at 1 is the check `clipped`.

    Args:
        low, high: percentiles in [0, 100].
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
        image, inside = data["image"][0].numpy(), data["brain"][0].numpy() > 0
        low, high = np.percentile(image[inside], (self.low, self.high))
        if not high > low:
            path = data["scan"].image
            raise PreprocessingError(
                f"{path}: percentiles {self.low:g} and {self.high:g} of the brain are both {low:g}"
            )
        scaled = np.clip((image - low) * (self.high_value / (high - low)), self.floor, 1)
        clipped = float((scaled[inside] >= 1).mean())
        if clipped > self.clipped:
            raise PreprocessingError(
                f"{data['scan'].image}: {clipped:.3f} of the brain voxels are clipped; at most {self.clipped:g}"
            )
        scaled = np.where(inside, scaled, 0).astype(np.float32)
        checks = {**data.get("checks", {}), "clipped": round(clipped, 5)}
        return {**data, "image": MetaTensor(torch.from_numpy(scaled)[None], data["image"].affine), "checks": checks}
