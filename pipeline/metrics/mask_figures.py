"""Figures of one scan that need the mask itself, not only its counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.metrics.lesions import lesion_counts
from pipeline.metrics.overlap import surface_distance


def mask_figures(
    mask: NDArray[np.bool_], lesion: NDArray[np.bool_], spacing: Sequence[float], min_ml: float = 0.0
) -> dict[str, float]:
    """Surface distances in mm and lesion-wise figures of a mask, nan where one is undefined.

    Args:
        mask, lesion: [H, W] or [H, W, D], both inside the support. spacing: of the voxels, in mm, one number an axis.
        min_ml: see `lesion_counts`.
    """
    distance = surface_distance(torch.from_numpy(mask), torch.from_numpy(lesion), spacing)
    found = lesion_counts(mask, lesion, spacing, min_ml)
    return {
        "hd": distance.hd,
        "hd95": distance.hd95,
        "lesion_recall": found.recall,
        "lesion_f1": found.f1,
        "false_lesions": float(found.false),
        "false_lesion_ml": found.false_ml,
    }
