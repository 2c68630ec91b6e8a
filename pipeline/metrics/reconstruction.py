"""How well a method draws healthy tissue: what its residuals can at best mean."""

from __future__ import annotations

from typing import NamedTuple

import torch
from monai.metrics import SSIMMetric
from torch import Tensor


class Reconstruction(NamedTuple):
    """Structural similarity and mean absolute error of each image, both [N]."""

    ssim: Tensor
    l1: Tensor


def reconstruction_error(output: Tensor, image: Tensor, support: Tensor | None = None) -> Reconstruction:
    """Compare reconstructions with their images, both [N, 1, H, W] in [0, 1].

    SSIM is MONAI's (Gaussian window of 11 px, σ 1.5) over the whole image; L1 is the mean of `abs(output − image)` over
    the pixels of `support` (None: all), nan for an image without one.
    """
    ssim = SSIMMetric(spatial_dims=2, data_range=1.0, reduction="none")(output, image)
    weight = torch.ones_like(image) if support is None else (support != 0).to(image.dtype)
    error = ((output - image).abs() * weight).flatten(1).sum(1) / weight.flatten(1).sum(1)
    return Reconstruction(torch.as_tensor(ssim).flatten(), error)
