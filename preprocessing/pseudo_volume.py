"""N central axial slices of a volume, at one square size."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from monai.transforms import Transform

from preprocessing.errors import PreprocessingError


class PseudoVolumed(Transform):
    """`image`, `brain`, `lesion` [X, Y, Z] in RAS order → [N, size, size], bottom to top.

    Slices `z_i = ⌊centre + step · (i − (N − 1)/2) + ½⌋`. Images are averaged over the area of each new pixel,
    counting brain only; labels and masks take the voxel at the centre of the pixel.

    Args:
        size: side of the square in pixels; the whole plane is kept.
        slices: N.
        step: mm (voxels of the 1 mm atlas) between slices.
        centre: slice at the middle, usually the centre of mass of the atlas brain.

    Raises:
        PreprocessingError: size, slices or step below 1, or slices outside the volume.
    """

    def __init__(self, size: int, slices: int, step: int, centre: int) -> None:
        for name, value in (("image size", size), ("slices", slices), ("slice step", step)):
            if value < 1:
                raise PreprocessingError(f"{name} {value} must be at least 1")
        self.size = size
        self.step = step
        self.z = central_slices(slices, step, centre)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        depth = data["image"].shape[2]
        if self.z[0] < 0 or self.z[-1] >= depth:
            raise PreprocessingError(f"slices {self.z[0]} to {self.z[-1]} are not all inside the {depth} of the atlas")
        result = dict(data)
        brain = self._slab(data["brain"]) > 0
        image = self._slab(data["image"])
        result["brain"] = nearest(brain, self.size).astype(np.uint8)
        result["image"] = area_average(image, brain, self.size) * result["brain"]
        if "lesion" in data:
            result["lesion"] = nearest(self._slab(data["lesion"]) > 0, self.size).astype(np.uint8)
        return result

    def _slab(self, volume: Any) -> np.ndarray:  # sliced with `slice`, which NiBabel's lazy arrays understand
        return np.moveaxis(np.asarray(volume[:, :, self.z[0] : self.z[-1] + 1 : self.step]), 2, 0)


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


def grid_affine(atlas: np.ndarray, shape: tuple[int, ...], size: int, z: list[int], step: int) -> np.ndarray:
    """The affine of the [size, size, N] grid (voxel → mm) inside the atlas grid with `atlas` affine and `shape`."""
    scale = np.array([shape[0] / size, shape[1] / size, step])
    inner = np.diag([*scale, 1.0])
    inner[:3, 3] = [scale[0] / 2 - 0.5, scale[1] / 2 - 0.5, z[0]]
    return atlas @ inner
