"""Overlap and surface distance of one mask with one label."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import torch
from monai.metrics import compute_hausdorff_distance
from torch import Tensor

from pipeline.metrics.confusion import Confusion


class SurfaceDistance(NamedTuple):
    """Distance of two surfaces.

    Args:
        hd: Hausdorff distance, in mm.
        hd95: its 95th percentile, in mm.

    Example:
        >>> SurfaceDistance(hd=12.0, hd95=8.5).hd95
        8.5
    """

    hd: float
    hd95: float


def mask_overlap(mask: Tensor, lesion: Tensor, support: Tensor | None = None) -> Confusion:
    """Confusion counts of a mask against a label.

    Args:
        mask: bool tensor of any shape.
        lesion: bool tensor of the same shape.
        support: bool tensor of the same shape; pixels outside it are not counted. None counts all pixels.

    Example:
        >>> import torch
        >>> mask, lesion = torch.tensor([True, True, False, False]), torch.tensor([True, False, True, False])
        >>> mask_overlap(mask, lesion)
        Confusion(tp=1, fp=1, fn=1, tn=1)
        >>> mask_overlap(mask, lesion, support=torch.tensor([True, True, False, False]))
        Confusion(tp=1, fp=1, fn=0, tn=0)
    """
    inside = torch.ones_like(mask) if support is None else support
    sides = (mask & lesion, mask & ~lesion, ~mask & lesion, ~mask & ~lesion)
    return Confusion(*(int((side & inside).sum()) for side in sides))


def surface_distance(mask: Tensor, lesion: Tensor, spacing: Sequence[float]) -> SurfaceDistance:
    """Symmetric Hausdorff distances, computed by MONAI; nan where the mask or the label is empty.

    Args:
        mask: [H, W] or [H, W, D] bool.
        lesion: bool of the same shape.
        spacing: of the voxels, in mm, one number for each axis.

    Example:
        >>> import torch
        >>> lesion = torch.zeros(16, 16, dtype=torch.bool)
        >>> lesion[4:8, 4:8] = True
        >>> surface_distance(lesion.roll(3, dims=0), lesion, spacing=(2.0, 1.0)).hd  # three pixels of 2 mm
        6.0
    """
    if not (mask.any() and lesion.any()):
        return SurfaceDistance(float("nan"), float("nan"))
    pair = mask[None, None], lesion[None, None]
    with warnings.catch_warnings():
        # MONAI 1.6 calls its own deprecated argument here.
        warnings.filterwarnings("ignore", ".*always_return_as_numpy", FutureWarning)
        hd, hd95 = (
            float(compute_hausdorff_distance(*pair, include_background=True, percentile=q, spacing=list(spacing)))
            for q in (None, 95)
        )
    return SurfaceDistance(hd, hd95)
