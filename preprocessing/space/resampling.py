"""Bring a scan onto the atlas grid with one interpolation."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform

from preprocessing.errors import PreprocessingError
from preprocessing.io.labels import label_values
from preprocessing.space.geometry import resample
from preprocessing.space.grid import Volume, load_grid


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


def label_to_grid(path: Path, label: Volume, matrix: np.ndarray, grid: Volume) -> tuple[np.ndarray, dict[str, float]]:
    """The label by nearest neighbour on another grid, as 0 and 1, and its volumes in mL before and after.

    Args:
        path: of the label, for the error.
        label: whole numbers, > 0 is lesion.
        matrix: 4×4 from voxels of the grid to voxels of the label.
        grid: the other grid.

    Raises:
        PreprocessingError: one of the values of the label has no voxel on the grid.
    """
    moved = resample(label.array, matrix, grid.array.shape, order=0)
    if lost := sorted(set(label_values(label.array)) - set(label_values(moved))):
        voxels = np.count_nonzero(label.array == lost[0])
        raise PreprocessingError(f"{path}: the {voxels} voxels of label value {lost[0]:g} are lost on the atlas grid")
    volumes = {
        "lesion_ml_native": millilitres(label.array > 0, label.affine),
        "lesion_ml": millilitres(moved > 0, grid.affine),
    }
    return moved > 0, volumes


def millilitres(mask: np.ndarray, affine: np.ndarray) -> float:
    """Volume of a mask in mL."""
    return round(float(mask.sum() * abs(np.linalg.det(affine[:3, :3])) / 1000), 3)


def _tensor(array: np.ndarray, affine: np.ndarray) -> MetaTensor:
    return MetaTensor(torch.from_numpy(array.astype(np.float32, copy=False))[None], affine=torch.from_numpy(affine))
