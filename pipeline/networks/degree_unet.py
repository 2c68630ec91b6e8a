"""A U-Net that is told how much of its input is corrupted."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.nets import BasicUNet
from torch import nn

FEATURES = (32, 32, 64, 96, 128, 32)  # of MONAI's BasicUNet: five levels, then the last layer


class DegreeUNet(nn.Module):
    """Draws the slice without its corruption of a given degree, `P(x, t)`.

    The degree is a second, constant channel of a U-Net with five levels, group normalisation and nearest enlarging.

    Args:
        features: see `monai.networks.nets.BasicUNet`; multiples of 8.

    Example:
        >>> DegreeUNet(6 * (8,))(torch.zeros(2, 1, 32, 32), torch.tensor([0.0, 1.0])).shape
        torch.Size([2, 1, 32, 32])
    """

    def __init__(self, features: Sequence[int] = FEATURES) -> None:
        super().__init__()
        norm = ("group", {"num_groups": 8})
        self.unet = BasicUNet(2, 2, 1, features=features, act="swish", norm=norm, upsample="nontrainable")

    def forward(self, image: torch.Tensor, degree: torch.Tensor) -> torch.Tensor:
        """Slices [N, 1, H, W] without their corruption; `degree` [N] in [0, 1]."""
        constant = degree.to(image.dtype).view(-1, 1, 1, 1).expand_as(image)
        return self.unet(torch.cat([image, constant], dim=1))
