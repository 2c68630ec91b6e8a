"""The head on the atlas grid, small, as the background on which a person judges the brain mask."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from scipy import ndimage

from preprocessing.space.geometry import resample
from preprocessing.space.grid import Volume, load_grid

DARK, BRIGHT, LARGEST = 20.0, 200.0, 255.0  # grey levels of the two percentiles of the brain, and of the picture


class PictureHeadd(Transform):
    """`image`, `brain` [1, X, Y, Z], `transform` → `head` [1, x, y, z] in 0 … 255 on every `stride`-th atlas voxel.

    `head = clip(20 + 180 (image − q_low) / (q_high − q_low), 0, 255)` with the percentiles q of the brain voxels: a
    mask that takes too much or too little is seen against what is around it. What is farther than `margin_mm` from the
    brain mask and from the atlas mask is 0: no face is kept. One interpolation of the original image, by `transform`.

    Args:
        mask: brain mask of the atlas, whose grid is used.
        stride: voxels of the atlas.
        margin_mm: what is shown around the brain.
        low: percentile of the brain, in [0, 100], that becomes grey level 20.
        high: percentile of the brain, in [0, 100], that becomes grey level 200.
    """

    def __init__(self, mask: str, stride: int, margin_mm: float, low: float, high: float) -> None:
        self.mask = Path(mask)
        self.stride = stride
        self.margin_mm = margin_mm
        self.low, self.high = low, high

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        image, brain = Volume.of(data["image"]), Volume.of(data["brain"])
        atlas = strided(load_grid(self.mask), self.stride)
        matrix = np.linalg.inv(image.affine) @ data["transform"] @ atlas.affine
        shape = atlas.array.shape
        low, high = np.percentile(image.array[brain.array > 0], (self.low, self.high))
        scale = (BRIGHT - DARK) / max(high - low, 1e-12)
        grey = np.clip(DARK + (resample(image.array, matrix, shape) - low) * scale, 0, LARGEST)
        shown = resample(brain.array, matrix, shape, order=0) + atlas.array > 0
        spacing = np.linalg.norm(atlas.affine[:3, :3], axis=0)
        near = ndimage.distance_transform_edt(~shown, sampling=spacing) <= self.margin_mm
        head = np.rint(np.where(near, grey, 0)).astype(np.float32)
        return {**data, "head": MetaTensor(torch.from_numpy(head)[None], affine=torch.from_numpy(atlas.affine))}


def strided(volume: Volume, stride: int) -> Volume:
    """Every `stride`-th voxel of a volume, the first among them."""
    return Volume(volume.array[::stride, ::stride, ::stride], volume.affine @ np.diag([stride, stride, stride, 1.0]))
