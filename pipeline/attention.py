"""Attention maps of an encoder: pure, differentiable functions of its features, used by losses and inferers."""

from __future__ import annotations

import torch
from torch.nn.functional import interpolate


def activation_map(features: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Mean over the channels, enlarged to the image (Silva-Rodríguez 2022, Eq. 6): `a = mean_k f_k`.

    Args:
        features: [N, K, h, w], output of one residual stage.
        size: (H, W) of the image; bilinear, align_corners=True.

    Returns:
        [N, 1, H, W], float32.
    """
    mean = features.float().mean(dim=1, keepdim=True)
    return interpolate(mean, size=size, mode="bilinear", align_corners=True)
