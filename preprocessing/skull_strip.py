"""Brain masks: one small class a tool behind one protocol."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from scipy import ndimage

from preprocessing.errors import PreprocessingError


class SkullStripper(Protocol):
    """image [X, Y, Z] in RAS order, affine (voxel → mm) → boolean brain mask [X, Y, Z]; raises PreprocessingError."""

    def __call__(self, image: np.ndarray, affine: np.ndarray, given: np.ndarray | None) -> np.ndarray: ...


class Deepbet:
    """deepbet (Fisch et al. 2024, Hum Brain Mapp): a 3-D LinkNet on MRI heads; its weights are inside the package.

    Args:
        threshold: probability from which a voxel is brain.
        dilate: layers of voxels added to (negative: taken from) the mask.
    """

    def __init__(self, threshold: float = 0.5, dilate: int = 0) -> None:
        self.threshold = threshold
        self.dilate = dilate

    @cached_property
    def _model(self) -> Any:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r".*torch\.jit\.load.*", category=DeprecationWarning)
            from deepbet.bet import BrainExtraction

            return BrainExtraction(no_gpu=True)

    def __call__(self, image: np.ndarray, affine: np.ndarray, given: np.ndarray | None) -> np.ndarray:
        try:
            _, mask, _ = self._model.run(nib.Nifti1Image(image, affine), None, None, None, self.threshold, self.dilate)
        except (AssertionError, ValueError, IndexError) as error:  # what an empty prediction raises inside deepbet
            raise PreprocessingError(f"deepbet finds no brain ({error})") from error
        return np.asarray(mask.dataobj) > 0


class GivenMask:
    """The mask that came with the scan."""

    def __call__(self, image: np.ndarray, affine: np.ndarray, given: np.ndarray | None) -> np.ndarray:
        if given is None:
            raise PreprocessingError("no brain mask is given; name one or use another skull stripper")
        return given


class NoStripper:
    """For images without a skull: brain is what differs from the constant background, with holes filled."""

    def __call__(self, image: np.ndarray, affine: np.ndarray, given: np.ndarray | None) -> np.ndarray:
        corners = np.unique(image[:: image.shape[0] - 1, :: image.shape[1] - 1, :: image.shape[2] - 1])
        if len(corners) > 1:
            found = ", ".join(f"{value:g}" for value in corners)
            raise PreprocessingError(f"not skull-stripped: the background is not one constant (corners: {found})")
        mask = ndimage.binary_opening(image != corners[0])
        return ndimage.binary_fill_holes(_largest(mask))


class SkullStripd(Transform):
    """`image` [1, X, Y, Z] → `brain` [1, X, Y, Z] of 0 and 1, and the checks `brain_ml`, `brain_component`.

    Args:
        head: the stripper of heads with skull.
        given: the stripper of scans that came with a mask.
        stripped: the stripper of scans that have no skull and no mask.
        volume_ml: smallest and largest brain volume in mL.
        component: smallest share of the mask in its largest component.

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
    ) -> None:
        self.head, self.given, self.stripped = head, given, stripped
        self.volume_ml = volume_ml
        self.component = component

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        scan, image, given = data["scan"], data["image"], data.get("brain")
        stripper = self.given if scan.brain is not None else self.stripped if scan.stripped else self.head
        affine = np.asarray(image.affine, dtype=np.float64)
        try:
            mask = stripper(image[0].numpy(), affine, None if given is None else given[0].numpy() > 0)
        except PreprocessingError as error:
            raise PreprocessingError(f"{scan.image}: {error}") from error
        checks = self._check(scan.image, mask, abs(np.linalg.det(affine[:3, :3])))
        brain = MetaTensor(torch.from_numpy(mask.astype(np.float32))[None], affine=image.affine)
        return {**data, "brain": brain, "checks": {**data.get("checks", {}), **checks}}

    def _check(self, path: Any, mask: np.ndarray, voxel_mm3: float) -> dict[str, float]:
        volume = float(mask.sum() * voxel_mm3 / 1000)
        low, high = self.volume_ml
        if not low <= volume <= high:
            raise PreprocessingError(f"{path}: the brain mask has {volume:.0f} mL; it must have {low:g} to {high:g} mL")
        component = float(_largest(mask).sum() / mask.sum())
        if component < self.component:
            raise PreprocessingError(
                f"{path}: the largest part of the brain mask is {component:.2f} of it; at least {self.component:g}"
            )
        return {"brain_ml": round(volume, 1), "brain_component": round(component, 4)}


def _largest(mask: np.ndarray) -> np.ndarray:
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    return labels == np.argmax(np.bincount(labels[labels > 0]))
