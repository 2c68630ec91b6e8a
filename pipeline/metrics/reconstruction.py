"""How well a method draws healthy tissue: what its residuals can at best mean."""

from __future__ import annotations

from typing import NamedTuple

import torch
from monai.metrics import SSIMMetric
from torch import Tensor


class Reconstruction(NamedTuple):
    """How close each image is to its reconstruction.

    Args:
        ssim: [N] structural similarity, at most 1.
        l1: [N] mean absolute error, 0 or more.

    Example:
        >>> import torch
        >>> Reconstruction(ssim=torch.tensor([0.9]), l1=torch.tensor([0.25])).l1.tolist()
        [0.25]
    """

    ssim: Tensor
    l1: Tensor


def reconstruction_error(output: Tensor, image: Tensor, support: Tensor | None = None) -> Reconstruction:
    """Compare reconstructions with their images.

    SSIM is MONAI's (Gaussian window of 11 px, σ 1.5) over the whole image. L1 is the mean of `abs(output − image)` over
    the support, nan for an image whose support is empty.

    Args:
        output: [N, 1, H, W] in [0, 1], the reconstructions.
        image: [N, 1, H, W] in [0, 1].
        support: [N, 1, H, W], pixels that are not 0 count. None counts all pixels.

    Example:
        >>> import torch
        >>> image = torch.linspace(0.0, 1.0, 16).expand(1, 1, 16, 16)
        >>> same, darker = reconstruction_error(image, image), reconstruction_error(0.5 * image, image)
        >>> round(same.ssim.item(), 2), same.l1.item()
        (1.0, 0.0)
        >>> round(darker.ssim.item(), 2), round(darker.l1.item(), 3)
        (0.65, 0.25)
    """
    ssim = SSIMMetric(spatial_dims=2, data_range=1.0, reduction="none")(output, image)
    weight = torch.ones_like(image) if support is None else (support != 0).to(image.dtype)
    error = ((output - image).abs() * weight).flatten(1).sum(1) / weight.flatten(1).sum(1)
    return Reconstruction(torch.as_tensor(ssim).flatten(), error)
