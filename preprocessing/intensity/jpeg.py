"""The loss of axial slices that are stored as JPEG pictures, as published code does."""

from __future__ import annotations

import io
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from monai.transforms import Transform
from PIL import Image

from preprocessing.errors import PreprocessingError
from preprocessing.intensity.normalization import into_unit_range


class CompressSlicesd(Transform):
    """`image` [1, X, Y, Z] in [0, 1] → each axial slice after 8 bits and JPEG; in [floor, 1] in `brain`.

    Args:
        quality: of Pillow's encoder, 1 to 95. The published code does not state its own.
        floor: smallest value of a brain voxel.

    Raises:
        PreprocessingError: another quality.
    """

    def __init__(self, quality: int, floor: float) -> None:
        if not 1 <= quality <= 95:
            raise PreprocessingError(f"the quality of a JPEG must be in 1 to 95, got {quality}")
        self.quality = quality
        self.floor = floor

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        volume = np.moveaxis(data["image"][0].numpy(), -1, 0)
        slices = [self._compressed(np.round(255 * axial).astype(np.uint8)) for axial in volume]
        return into_unit_range(data, np.stack(slices, axis=-1) / np.float32(255), self.floor)

    def _compressed(self, picture: np.ndarray) -> np.ndarray:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=self.quality)
        with Image.open(file) as stored:
            return np.asarray(stored)
