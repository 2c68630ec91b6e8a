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
    """Hausdorff distance and its 95th percentile, in mm."""

    hd: float
    hd95: float


def mask_overlap(mask: Tensor, lesion: Tensor, support: Tensor | None = None) -> Confusion:
    """Confusion counts of boolean tensors of one shape, in the support (None: everywhere)."""
    inside = torch.ones_like(mask) if support is None else support
    sides = (mask & lesion, mask & ~lesion, ~mask & lesion, ~mask & ~lesion)
    return Confusion(*(int((side & inside).sum()) for side in sides))


def surface_distance(mask: Tensor, lesion: Tensor, spacing: Sequence[float]) -> SurfaceDistance:
    """Symmetric Hausdorff distances of boolean tensors [H, W] or [H, W, D] (MONAI's); nan where one is empty.

    Args:
        spacing: of the voxels, in mm, one number an axis.
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
