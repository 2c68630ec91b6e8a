"""The axial slices of a volume that a network sees, at one square size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from monai.transforms import Transform

from preprocessing.config import Config, build
from preprocessing.errors import PreprocessingError

ALL = "all"


class PseudoVolumed(Transform):
    """`image`, `brain`, `lesion` [X, Y, Z] in RAS order → [N, size, size], bottom to top.

    N central slices `z_i = ⌊centre + step · (i − (N − 1)/2) + ½⌋`, the same of every scan, or all slices
    `z ≡ centre (mod step)` from the lowest to the highest with tissue, as many as the scan has. Images are averaged
    over the area of each new pixel, counting brain only; labels and masks take the voxel at the centre of the pixel.

    Args:
        size: side of the square in pixels; the whole plane is kept.
        slices: N, or `all`.
        step: mm (voxels of the 1 mm atlas) between slices.
        centre: slice at the middle, usually the centre of mass of the atlas brain.
        tissue_share: with `all`, smallest share of the plane that is brain in a slice with tissue, in (0, 1].

    Raises:
        PreprocessingError: size, slices or step below 1, another word than `all`, a share outside (0, 1], slices
            outside the volume, or no slice with tissue.
    """

    def __init__(self, size: int, slices: int | str, step: int, centre: int, tissue_share: float = 0.01) -> None:
        if isinstance(slices, str) and slices != ALL:
            raise PreprocessingError(f"slices {slices!r} must be a number or {ALL!r}")
        for name, value in (("image size", size), ("slices", slices), ("slice step", step)):
            if not isinstance(value, str) and value < 1:
                raise PreprocessingError(f"{name} {value} must be at least 1")
        if not 0 < tissue_share <= 1:
            raise PreprocessingError(f"tissue share {tissue_share:g} must be above 0 and at most 1")
        self.size, self.slices, self.step, self.centre = size, slices, step, centre
        self.tissue_share = tissue_share

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        z = self.scan_slices(data["image"].shape, slice_areas(data["brain"]))
        result = dict(data)
        brain = _slab(data["brain"], z) > 0
        result["brain"] = nearest(brain, self.size).astype(np.uint8)
        result["image"] = area_average(_slab(data["image"], z), brain, self.size) * result["brain"]
        if "lesion" in data:
            result["lesion"] = nearest(_slab(data["lesion"], z) > 0, self.size).astype(np.uint8)
        return result

    def grid_slices(self, depth: int) -> range:
        """The slices that scans have in a volume of `depth` slices; with `all`, those that one may have."""
        if isinstance(self.slices, str):
            return range(self.centre % self.step, depth, self.step)
        z = central_slices(self.slices, self.step, self.centre)
        if z[0] < 0 or z[-1] >= depth:
            raise PreprocessingError(f"slices {z[0]} to {z[-1]} are not all inside the {depth} of the atlas")
        return range(z[0], z[-1] + 1, self.step)

    def scan_slices(self, shape: Sequence[int], areas: Sequence[int] | np.ndarray) -> range:
        """The slices of a scan on a grid of `shape` [3] whose slices have brains of `areas` voxels."""
        grid = self.grid_slices(shape[2])
        if not isinstance(self.slices, str):
            return grid
        tissue = [z for z in grid if areas[z] >= self.tissue_share * shape[0] * shape[1]]
        if not tissue:
            raise PreprocessingError(f"no slice has a brain of {self.tissue_share:g} of its plane")
        return range(tissue[0], tissue[-1] + 1, self.step)


def pseudo_volume(config: Config) -> PseudoVolumed:
    """The slicing that a configuration asks for."""
    return cast(PseudoVolumed, build(config, "pseudo_volume"))


def slice_areas(mask: Any) -> list[int]:
    """Voxels above 0 in each axial slice of `mask` [X, Y, Z]."""
    return [int(area) for area in np.count_nonzero(np.asarray(mask) > 0, axis=(0, 1))]


def _slab(volume: Any, z: range) -> np.ndarray:  # sliced with `slice`, which NiBabel's lazy arrays understand
    return np.moveaxis(np.asarray(volume[:, :, z.start : z.stop : z.step]), 2, 0)


def central_slices(slices: int, step: int, centre: int) -> list[int]:
    """N slice indices around `centre`."""
    return [int(np.floor(centre + step * (i - (slices - 1) / 2) + 0.5)) for i in range(slices)]


def area_weights(old: int, new: int) -> np.ndarray:
    """[new, old] matrix: the share of each new pixel's width that each old pixel covers; rows sum to 1."""
    edges = np.arange(new + 1) * (old / new)
    start, stop = edges[:-1, None], edges[1:, None]
    pixel = np.arange(old)[None]
    overlap = np.clip(np.minimum(stop, pixel + 1) - np.maximum(start, pixel), 0, None)
    return overlap * (new / old)


def area_average(image: np.ndarray, brain: np.ndarray, size: int) -> np.ndarray:
    """[N, H, W] → [N, size, size] float32: the mean over the brain part of each new pixel, 0 where there is none."""
    rows, columns = area_weights(image.shape[1], size), area_weights(image.shape[2], size)
    total = rows @ (image * brain) @ columns.T
    weight = rows @ brain.astype(np.float64) @ columns.T
    return np.divide(total, weight, out=np.zeros_like(total), where=weight > 0).astype(np.float32)


def nearest(label: np.ndarray, size: int) -> np.ndarray:
    """[N, H, W] → [N, size, size]: the voxel at the centre of each new pixel."""
    rows, columns = (((np.arange(size) + 0.5) * (old / size)).astype(int) for old in label.shape[1:])
    return label[:, rows][:, :, columns]


def grid_affine(atlas: np.ndarray, shape: tuple[int, ...], size: int, z: range) -> np.ndarray:
    """The affine of the [size, size, N] grid (voxel → mm) of the slices `z` of an atlas grid with affine `atlas`."""
    scale = np.array([shape[0] / size, shape[1] / size, z.step])
    inner = np.diag([*scale, 1.0])
    inner[:3, 3] = [scale[0] / 2 - 0.5, scale[1] / 2 - 0.5, z.start]
    return atlas @ inner
