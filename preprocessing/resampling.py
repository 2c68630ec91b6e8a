"""Bring a scan onto the atlas grid with one interpolation."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform

from preprocessing.geometry import resample
from preprocessing.grid import Volume, load_grid
from preprocessing.labels import label_to_grid


class ResampleToAtlasd(Transform):
    """`image`, `brain`, `lesion` [1, X, Y, Z] → the same keys on the atlas grid, by `transform`.

    The matrix from atlas voxels to scan voxels is composed first, so nothing is interpolated twice:
    `brain' = [linear(brain) ≥ ½]`, `image' = linear(image · brain) / linear(brain)` inside `brain'` and 0 outside, so
    that neither skull nor background leaks into the edge of the brain; labels take the nearest neighbour.
    Lesion volumes before and after go to the checks `lesion_ml_native` and `lesion_ml`.

    Args:
        atlas: a NIfTI file on the atlas grid.
        order: of the spline for the image.

    Raises:
        PreprocessingError: a value of the label is lost.
    """

    def __init__(self, atlas: str, order: int) -> None:
        self.atlas = Path(atlas)
        self.order = order

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        grid = load_grid(self.atlas)
        image, brain = Volume.of(data["image"]), Volume.of(data["brain"])
        matrix = np.linalg.inv(image.affine) @ data["transform"] @ grid.affine
        shape = grid.array.shape
        weight = resample(brain.array, matrix, shape, self.order)
        inside = weight >= 0.5
        value = resample(image.array * brain.array, matrix, shape, self.order)
        value = np.divide(value, weight, out=np.zeros_like(value), where=inside)
        result = {**data, "image": _tensor(value, grid.affine), "brain": _tensor(inside, grid.affine)}
        volumes = {"lesion_ml_native": 0.0, "lesion_ml": 0.0}
        if "lesion" in data:
            lesion, volumes = label_to_grid(data["scan"].lesion, Volume.of(data["lesion"]), matrix, grid)
            result["lesion"] = _tensor(lesion, grid.affine)
        return {**result, "checks": {**data.get("checks", {}), **volumes}}


def _tensor(array: np.ndarray, affine: np.ndarray) -> MetaTensor:
    return MetaTensor(torch.from_numpy(array.astype(np.float32, copy=False))[None], affine=torch.from_numpy(affine))
