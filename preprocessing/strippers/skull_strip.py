"""Brain masks by the skull strippers of `preprocessing.strippers`, with checks."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform

from preprocessing.errors import PreprocessingError
from preprocessing.space.geometry import largest
from preprocessing.strippers.background import is_stripped


class SkullStripper(Protocol):
    """image [X, Y, Z] in RAS order, affine (voxel → mm) → boolean brain mask [X, Y, Z]; raises PreprocessingError."""

    def __call__(self, image: np.ndarray, affine: np.ndarray, given: np.ndarray | None) -> np.ndarray: ...


class SkullStripd(Transform):
    """`image` [1, X, Y, Z] → `brain` [1, X, Y, Z] of 0 and 1.

    The checks are `brain_ml`, `brain_component`, and `stripped_input`: 1 where the image has no skull.

    Args:
        head: the stripper of heads with skull.
        given: the stripper of scans that came with a mask.
        stripped: the stripper of scans that have no skull and no mask.
        volume_ml: smallest and largest brain volume in mL.
        component: smallest share of the mask in its largest component.
        stripped_if: limits `faces` and `rim` by which an image without a skull tells itself, see `is_stripped`; None:
            only what is known of the scan counts.

    Raises:
        PreprocessingError: the mask breaks one of the limits.
    """

    def __init__(
        self,
        head: SkullStripper,
        given: SkullStripper,
        stripped: SkullStripper,
        volume_ml: Sequence[float],
        component: float,
        stripped_if: Mapping[str, float] | None = None,
    ) -> None:
        self.head, self.given, self.stripped = head, given, stripped
        self.volume_ml = volume_ml
        self.component = component
        self.stripped_if = stripped_if

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return self.apply(data, self.measure(data))

    def measure(self, data: Mapping[Hashable, Any]) -> dict[str, Any]:
        """The costly part: `mask` [X, Y, Z], boolean, and its `checks`."""
        scan, given = data["scan"], data.get("brain")
        image, affine = data["image"][0].numpy(), np.asarray(data["image"].affine, dtype=np.float64)
        stripped = scan.stripped or self._tells(image, affine)
        stripper = self.given if scan.brain is not None else self.stripped if stripped else self.head
        try:
            mask = stripper(image, affine, None if given is None else given[0].numpy() > 0)
        except PreprocessingError as error:
            raise PreprocessingError(f"{scan.image}: {error}") from error
        checks = self._check(scan.image, mask, abs(np.linalg.det(affine[:3, :3])))
        return {"mask": mask, "checks": {**checks, "stripped_input": float(stripped)}}

    def apply(self, data: Mapping[Hashable, Any], found: Mapping[str, Any]) -> dict[Hashable, Any]:
        """`data` with the mask that `measure` found."""
        mask = np.asarray(found["mask"], dtype=np.float32)
        brain = MetaTensor(torch.from_numpy(mask)[None], affine=data["image"].affine)
        return {**data, "brain": brain, "checks": {**data.get("checks", {}), **found["checks"]}}

    def _tells(self, image: np.ndarray, affine: np.ndarray) -> bool:
        if self.stripped_if is None:
            return False
        return is_stripped(image, affine, {**self.stripped_if, "volume_ml": self.volume_ml[1]})

    def _check(self, path: Any, mask: np.ndarray, voxel_mm3: float) -> dict[str, float]:
        volume = float(mask.sum() * voxel_mm3 / 1000)
        low, high = self.volume_ml
        if not low <= volume <= high:
            raise PreprocessingError(f"{path}: the brain mask has {volume:.0f} mL; it must have {low:g} to {high:g} mL")
        component = float(largest(mask).sum() / mask.sum())
        if component < self.component:
            raise PreprocessingError(
                f"{path}: the largest part of the brain mask is {component:.2f} of it; at least {self.component:g}"
            )
        return {"brain_ml": round(volume, 1), "brain_component": round(component, 4)}
