"""Intensities by the histogram of a reference scan."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from monai.transforms import Transform

from preprocessing.errors import PreprocessingError
from preprocessing.intensity.normalization import into_unit_range
from preprocessing.io.nifti import load_volume


class MatchHistogramd(Transform):
    """`image` [1, X, Y, Z] → the intensities of a reference scan inside `brain`, 0 outside.

    `x' = F_ref⁻¹(F(x))` with the cumulative histograms of the two brains (scikit-image). The order of intensities is
    kept, their distances are not: the brightest share of the brain gets the brightest values of the reference, lesion
    or not. Checks as in `into_unit_range`.

    Args:
        reference: a prepared scan, in (0, 1] inside its brain and 0 outside.
        axial: match every axial slice on its own to this slice of the reference; None: brain to brain. Slice by slice,
            every slice gets the same share of each tissue, whatever it shows.
        floor: smallest value of a brain voxel.

    Raises:
        PreprocessingError: the reference cannot be read, is no prepared scan, or has no brain in that slice.
    """

    def __init__(self, reference: str, axial: int | None, floor: float) -> None:
        self.reference = existing(reference, "reference", "a prepared scan")
        self.axial = axial
        self.floor = floor

    @cached_property
    def _values(self) -> np.ndarray:
        array = prepared(self.reference)
        if self.axial is None:
            return array[array > 0]
        part = array[:, :, self.axial] if 0 <= self.axial < array.shape[2] else np.zeros(1)
        if not part.any():
            raise PreprocessingError(f"{self.reference}: no brain in axial slice {self.axial} of {array.shape[2]}")
        return part[part > 0]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        from skimage.exposure import match_histograms

        image, inside = data["image"][0].numpy(), data["brain"][0].numpy() > 0
        scaled = np.zeros(image.shape, np.float32)
        for part in [np.s_[:]] if self.axial is None else [np.s_[:, :, z] for z in range(image.shape[2])]:
            if inside[part].any():
                scaled[part][inside[part]] = match_histograms(image[part][inside[part]], self._values)
        return into_unit_range(data, scaled, self.floor)


def prepared(path: Path) -> np.ndarray:
    """The image [X, Y, Z] of a prepared scan.

    Raises:
        PreprocessingError: values outside [0, 1], or no brain.
    """
    array, _ = load_volume(path)
    if array.min() != 0 or not 0 < array.max() <= 1:
        raise PreprocessingError(
            f"{path}: values from {array.min():g} to {array.max():g}; a prepared scan has 0 outside the brain and at "
            "most 1 inside"
        )
    return array


def existing(path: str | None, name: str, what: str) -> Path:
    """The path that the configuration must give.

    Raises:
        PreprocessingError: none, or no such file.
    """
    if path is None or not Path(path).is_file():
        found = "is not set" if path is None else f"{path}: no such file"
        raise PreprocessingError(f"intensity: {name} {found}; give the path of {what}")
    return Path(path)
