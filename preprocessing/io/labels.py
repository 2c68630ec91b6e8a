"""Which values of a label file are lesion."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from scipy import ndimage

from preprocessing.errors import PreprocessingError
from preprocessing.io.masks import is_whole, read_mask

ANY = "any"


class SelectLesiond(Transform):
    """`lesion` [1, X, Y, Z] → the values that are lesion, 0 elsewhere; scans without a label pass.

    A label of whole numbers is lesion where its value is one of `values`. A label with fractions from 0 to 1 is a
    probability p and becomes `[p ≥ probability]`. The checks are `lesion_inside`, the share of the lesion inside
    `brain`, and `lesion_components`, the number of its parts that touch nowhere, not even by a corner.

    Args:
        values: the values that are lesion; `any`: every whole number above 0.
        background: the values that are not; any other value is refused.
        probability: smallest probability of a lesion voxel, in (0, 1].
        inside: smallest share of the lesion inside the brain; less of it is the label of another scan.
        erode: voxels of the rim that are taken away in each slice, as the published code for CT does; 0: none.

    Raises:
        PreprocessingError: a value that no rule names, or too much of the lesion is outside the brain.
    """

    def __init__(
        self,
        values: str | Sequence[int],
        background: Sequence[int],
        probability: float,
        inside: float,
        erode: int = 0,
    ) -> None:
        if isinstance(values, str) and values != ANY:
            raise PreprocessingError(f"lesion values {values!r} must be {ANY!r} or a list of whole numbers")
        self.values = None if isinstance(values, str) else values
        self.background = background
        self.probability = probability
        self.inside = inside
        self.erode = erode

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        if "lesion" not in data:
            return dict(data)
        path, label = data["scan"].lesion, data["lesion"]
        lesion = self._select(path, label[0].numpy())
        if self.erode:
            lesion = lesion * ndimage.binary_erosion(lesion > 0, np.ones((3, 3, 1)), iterations=self.erode)
        checks = self._check(path, lesion > 0, data["brain"][0].numpy() > 0)
        tensor = MetaTensor(torch.from_numpy(lesion)[None], affine=label.affine)
        return {**data, "lesion": tensor, "checks": {**data.get("checks", {}), **checks}}

    def _select(self, path: Path, label: np.ndarray) -> np.ndarray:
        if not is_whole(label):
            return read_mask(label, path, self.probability).astype(np.float32)
        whole = np.rint(label)
        found = label_values(whole)
        names = [value for value in found if value > 0] if self.values is None else self.values
        if unknown := sorted(set(found) - {*names, *self.background}):
            lesion = "whole numbers above 0" if self.values is None else _list(self.values)
            raise PreprocessingError(
                f"{path}: no rule for the label value {unknown[0]:g}; lesion is {lesion}, background "
                f"{_list(self.background)}"
            )
        return np.where(np.isin(whole, names), whole, 0).astype(np.float32)

    def _check(self, path: Path, lesion: np.ndarray, brain: np.ndarray) -> dict[str, float]:
        _, components = ndimage.label(lesion, structure=np.ones((3, 3, 3)))
        inside = float((lesion & brain).sum() / lesion.sum()) if components else 1.0
        if inside < self.inside:
            raise PreprocessingError(
                f"{path}: {inside:.2f} of the lesion is inside the brain, at least {self.inside:g} must be; "
                "is it the label of another scan?"
            )
        return {"lesion_inside": round(inside, 4), "lesion_components": components}


def label_values(label: np.ndarray) -> list[float]:
    """The values other than 0, sorted."""
    return np.unique(label[label != 0]).tolist()


def _list(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
