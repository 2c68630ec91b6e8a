"""CT in Hounsfield units (HU): checks, the bed and head rest taken away, and the window."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from scipy import ndimage

from preprocessing.errors import PreprocessingError
from preprocessing.intensity.normalization import into_unit_range
from preprocessing.io.grids import skew_degrees
from preprocessing.space.geometry import largest

AIR, TISSUE, BONE = -1000.0, -300.0, 300.0


class CheckHounsfieldd(Transform):
    """`image` [1, X, Y, Z] in Hounsfield units, clipped to `range`; air and bone must be there.

    Values below the range, such as −2000 or −3024 outside the round field of view, are padding and become air. A
    tilted gantry is a skewed affine: it is kept, and honoured by the one interpolation onto the atlas grid. A scan
    without a skull is only clipped.
    The checks are `air`, `bone_ml`, `padding` and `gantry_tilt`.

    Args:
        range: lowest and highest HU.
        air: smallest share of voxels within 100 HU of air.
        bone_ml: smallest and largest volume of voxels above 300 HU.
        tilt: largest angle of the voxel axes off a right one, in degrees.

    Raises:
        PreprocessingError: the image is no CT of a head in Hounsfield units, or skewed too much.
    """

    def __init__(self, range: Sequence[float], air: float, bone_ml: Sequence[float], tilt: float) -> None:
        self.range = range
        self.air = air
        self.bone_ml = bone_ml
        self.tilt = tilt

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        path, image = data["scan"].image, data["image"]
        array, affine = image[0].numpy(), np.asarray(image.affine, dtype=np.float64)
        padding = array < self.range[0]
        clipped = np.clip(np.where(padding, AIR, array), self.range[0], self.range[1]).astype(np.float32)
        values = {
            "air": np.mean(np.abs(clipped - AIR) < 100),
            "bone_ml": np.sum(clipped > BONE) * abs(np.linalg.det(affine[:3, :3])) / 1000,
            "padding": padding.mean(),
            "gantry_tilt": skew_degrees(affine),
        }
        checks = {name: round(float(value), 4) for name, value in values.items()}
        if not data["scan"].stripped and (reason := self._reason(array, checks)):
            raise PreprocessingError(f"{path}: no CT head in Hounsfield units: {reason}")
        if checks["gantry_tilt"] > self.tilt:
            raise PreprocessingError(f"{path}: gantry tilted by {checks['gantry_tilt']:.1f}°; at most {self.tilt:g}°")
        result = MetaTensor(torch.from_numpy(clipped)[None], affine=image.affine)
        return {**data, "image": result, "checks": {**data.get("checks", {}), **checks}}

    def _reason(self, array: np.ndarray, checks: Mapping[str, float]) -> str | None:
        low, high = self.bone_ml
        if checks["air"] < self.air:
            return (
                f"{checks['air']:.3f} of the voxels are air (-1100 to -900), at least {self.air:g}; "
                f"its values go from {array.min():g} to {array.max():g}"
            )
        if not low <= checks["bone_ml"] <= high:
            return f"{checks['bone_ml']:.0f} mL of bone (above {BONE:g}); a head has {low:g} to {high:g} mL"
        return None


class RemoveBedd(Transform):
    """`image` [1, X, Y, Z] in HU: everything but the head becomes air.

    The head is the largest part of what is denser than −300 HU, after an opening that cuts plates such as the bed and
    the head rest, given back its surface. The check `bed_ml` is the volume that was taken away.

    Args:
        opening_mm: radius of the opening: half the thickness of a plate.
    """

    def __init__(self, opening_mm: float) -> None:
        self.opening_mm = opening_mm

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        image = data["image"]
        array, affine = image[0].numpy(), np.asarray(image.affine, dtype=np.float64)
        dense = array > TISSUE
        head = self._head(dense, np.linalg.norm(affine[:3, :3], axis=0))
        if not head.any():
            raise PreprocessingError(f"{data['scan'].image}: no head: nothing is thicker than {2 * self.opening_mm} mm")
        bed = dense & ~head
        volume = round(float(bed.sum() * abs(np.linalg.det(affine[:3, :3])) / 1000), 1)
        cleaned = MetaTensor(torch.from_numpy(np.where(head, array, np.float32(AIR)))[None], affine=image.affine)
        return {**data, "image": cleaned, "checks": {**data.get("checks", {}), "bed_ml": volume}}

    def _head(self, dense: np.ndarray, spacing: np.ndarray) -> np.ndarray:
        """The largest opened part, grown back by the radius and one voxel, with its cavities."""
        solid = ndimage.binary_fill_holes(dense)
        core = largest(_depth(solid, spacing) > self.opening_mm)
        if not core.any():
            return core
        grown = ndimage.distance_transform_edt(~core, sampling=spacing) <= self.opening_mm + spacing.max()
        return np.asarray(ndimage.binary_fill_holes(grown & solid))


class ScaleIntensityWindowd(Transform):
    """CT `image` [1, X, Y, Z] in HU → [floor, 1] inside `brain`, 0 outside.

    `x' = clip((x − level) / width + ½, floor, 1)`: the window of a radiologist. Checks as in `into_unit_range`.

    Args:
        level: centre of the window in HU.
        width: of the window in HU.
        floor: smallest value of a brain voxel.
        clipped: largest share of brain voxels at 1, and also at the floor.

    Raises:
        PreprocessingError: too many voxels are outside the window.
    """

    def __init__(self, level: float, width: float, floor: float, clipped: float) -> None:
        self.level, self.width = level, width
        self.floor = floor
        self.clipped = clipped

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        scaled = (data["image"][0].numpy() - self.level) / self.width + 0.5
        return into_unit_range(data, scaled, self.floor, self.clipped, self.clipped)


def _depth(mask: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Distance in mm to the nearest voxel outside `mask`; the border of the volume counts as inside."""
    return np.asarray(ndimage.distance_transform_edt(np.pad(mask, 1, mode="edge"), sampling=spacing)[1:-1, 1:-1, 1:-1])
