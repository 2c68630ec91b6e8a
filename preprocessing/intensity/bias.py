"""The bias field of the receive coil, estimated by N4 on a coarse copy of the brain."""

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
from preprocessing.space.affine import smoothing
from preprocessing.space.ants import ants_image, load_ants
from preprocessing.space.geometry import box_grid, resample
from preprocessing.space.grid import Volume


class CorrectBiasd(Transform):
    """`image`, `brain` [1, X, Y, Z] → `corrected` [1, X, Y, Z], the image without bias field, for the registration.

    `corrected = (image − s) / b + s` with the field b of N4 and s = min(0, darkest brain voxel): the field multiplies
    intensities that count from 0. `image` itself stays, but for scans with `flair_like`, whose contrast is computed
    from T1 intensities, and with `stored`; there it is replaced. The check `bias` is the ratio of the percentiles 99
    and 1 of b in the brain.

    Tustison et al. 2010, N4ITK: improved N3 bias correction, IEEE Trans Med Imaging 29(6).

    Args:
        stored: correct the prepared image too.
        spacing_mm: of the copy that N4 sees; the field is far smoother than that.
        knots_mm: between the knots of the spline at the first level; half of it at each further one.
        iterations: at most, a value a level.
        tolerance: smallest change of the field that goes on.

    Raises:
        PreprocessingError: N4 fails.
    """

    def __init__(
        self, stored: bool, spacing_mm: float, knots_mm: float, iterations: Sequence[int], tolerance: float
    ) -> None:
        self.stored = stored
        self.spacing_mm = spacing_mm
        self.options = {"spline_param": knots_mm, "convergence": {"iters": list(iterations), "tol": tolerance}}

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return self.apply(data, self.measure(data))

    def measure(self, data: Mapping[Hashable, Any]) -> dict[str, Any]:
        """The costly part: `logarithm` of the field on a coarse grid [x, y, z], and the grid's `affine`."""
        image, brain = Volume.of(data["image"]), Volume.of(data["brain"])
        shifted = Volume(image.array - _zero(image, brain), image.affine)
        try:
            coarse = coarse_logarithm(shifted, brain, self.spacing_mm, self.options)
        except RuntimeError as error:
            raise PreprocessingError(f"{_path(data)}: N4 failed ({' '.join(str(error).split())})") from error
        return {"logarithm": coarse.array, "affine": coarse.affine}

    def apply(self, data: Mapping[Hashable, Any], found: Mapping[str, Any]) -> dict[Hashable, Any]:
        """`data` with the image corrected by the field that `measure` found."""
        image, brain = Volume.of(data["image"]), Volume.of(data["brain"])
        inside, zero = brain.array > 0, _zero(image, brain)
        field = field_at(image, inside, Volume(found["logarithm"], found["affine"]))
        low, high = np.percentile(field[inside], (1, 99))
        corrected = ((image.array - zero) / field + zero).astype(np.float32)
        tensor = MetaTensor(torch.from_numpy(corrected)[None], affine=data["image"].affine)
        key = "image" if self.stored or data["scan"].flair_like else "corrected"
        return {**data, key: tensor, "checks": {**data.get("checks", {}), "bias": round(float(high / low), 4)}}


def coarse_logarithm(image: Volume, brain: Volume, spacing: float, options: Mapping[str, Any]) -> Volume:
    """The logarithm of the field of `image` ≥ 0 by N4, on a coarse grid.

    Args:
        image: [X, Y, Z].
        brain: on the same grid; > 0 counts.
        spacing: in mm, of the grid that N4 works on.
        options: of `ants.n4_bias_field_correction`.
    """
    coarse, mask = coarse_copy(image, brain.array > 0, spacing)
    field = load_ants().n4_bias_field_correction(
        ants_image(coarse),
        mask=ants_image(Volume(mask.astype(np.float32), coarse.affine)),
        shrink_factor=1,
        return_bias_field=True,
        **options,
    )
    return Volume(np.log(field.numpy()), coarse.affine)


def field_at(image: Volume, inside: np.ndarray, coarse: Volume) -> np.ndarray:
    """The field b [X, Y, Z] > 0 on the grid of `image`, with geometric mean 1 in the brain.

    Args:
        image: gives the grid.
        inside: brain mask [X, Y, Z], boolean.
        coarse: from `coarse_logarithm`.
    """
    matrix = np.linalg.inv(coarse.affine) @ image.affine
    logarithm = resample(coarse.array, matrix, image.array.shape, mode="nearest")
    return np.exp(logarithm - logarithm[inside].mean())


def coarse_copy(image: Volume, inside: np.ndarray, spacing: float) -> tuple[Volume, np.ndarray]:
    """Means of the brain part of `image` on a grid along the world axes, and its mask: at least half is brain there.

    Args:
        image: any intensities.
        inside: brain mask [X, Y, Z], boolean.
        spacing: in mm, of that grid.
    """
    grid, shape = box_grid(inside, image.affine, spacing, margin=spacing)
    matrix = np.linalg.inv(image.affine) @ grid
    sigma = smoothing(image.affine, spacing)
    weight, value = (
        resample(ndimage.gaussian_filter(array.astype(np.float32), sigma), matrix, shape)
        for array in (inside, image.array * inside)
    )
    mask = weight >= 0.5
    return Volume(np.where(mask, value / np.maximum(weight, 0.5), 0).astype(np.float32), grid), mask


def _zero(image: Volume, brain: Volume) -> float:
    return min(0.0, float(image.array[brain.array > 0].min()))


def _path(data: Mapping[Hashable, Any]) -> Path:
    return data["scan"].image
