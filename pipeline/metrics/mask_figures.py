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
        mask: [H, W] or [H, W, D] bool, inside the support.
        lesion: bool of the same shape, inside the support.
        spacing: of the voxels, in mm, one number for each axis.
        min_ml: see `lesion_counts`.

    Returns:
        `hd` and `hd95` in mm, `lesion_recall`, `lesion_f1`, `false_lesions` and `false_lesion_ml`.

    Example:
        >>> import numpy as np
        >>> lesion = np.zeros((8, 8), bool)
        >>> lesion[1:3, 1:3] = True
        >>> mask = np.roll(lesion, 1, axis=1)
        >>> figures = mask_figures(mask, lesion, spacing=(2.0, 2.0))
        >>> figures["hd"], figures["lesion_recall"], figures["false_lesions"]
        (2.0, 1.0, 0.0)
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
