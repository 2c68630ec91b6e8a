"""A U-Net that marks lesions, and sees where in the brain it looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.networks.blocks import UpSample
from monai.networks.nets.basic_unet import Down, TwoConv
from torch import nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from pipeline.errors import PipelineError

FILTERS = (32, 64, 96, 128)
CENTRE, SPREAD = 0.4, 0.2  # of the intensity in a prepared brain
HALF = 2  # the network works at half the resolution, on four times the channels
BLOCK: dict[str, Any] = {"act": "relu", "norm": "batch", "bias": False}


class LesionUNet(nn.Module):
    """One logit a pixel from the image, its mirror image, the place in the frame and the brain mask.

    `pixel-unshuffle × 2 → U-Net → 1 × 1 convolution → pixel-shuffle × 2`. Rows are the axis from left to right, so the
    mirror image shows each pixel the other hemisphere.

    Args:
        image_size: H = W, a multiple of 2 to the number of levels.
        filters: of each level of the U-Net.

    Raises:
        PipelineError: an image size that the levels do not divide.

    Example:
        >>> LesionUNet(image_size=32)(torch.zeros(2, 1, 32, 32)).shape
        torch.Size([2, 1, 32, 32])
    """

    CHANNELS = 5

    def __init__(self, image_size: int, filters: Sequence[int] = FILTERS) -> None:
        super().__init__()
        reduction = 2 ** len(filters)
        if image_size <= 0 or image_size % reduction:
            raise PipelineError(f"image_size must be a positive multiple of {reduction}, got {image_size}")
        steps = list(zip(filters, filters[1:], strict=False))
        self.enter = TwoConv(2, self.CHANNELS * HALF**2, filters[0], **BLOCK)
        self.down = nn.ModuleList(Down(2, fine, coarse, **BLOCK) for fine, coarse in steps)
        self.enlarge = UpSample(2, scale_factor=2, mode="nontrainable", interp_mode="nearest", align_corners=None)
        self.up = nn.ModuleList(TwoConv(2, fine + coarse, fine, **BLOCK) for fine, coarse in reversed(steps))
        self.leave = nn.Conv2d(filters[0], HALF**2, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits [N, 1, H, W] of slices [N, 1, H, W] in [0, 1], whose brain is where they are positive."""
        levels = [self.enter(pixel_unshuffle(_with_place(image), HALF))]
        for down in self.down:
            levels.append(down(levels[-1]))
        found = levels.pop()
        for up in self.up:
            found = up(torch.cat([levels.pop(), self.enlarge(found)], dim=1))
        return pixel_shuffle(self.leave(found), HALF)


def _with_place(image: torch.Tensor) -> torch.Tensor:
    """`image` [N, 1, H, W] in 5 channels: standardised, its mirror image, row and column in [−1, 1], brain."""
    number, _, height, width = image.shape
    brain = (image > 0).to(image.dtype)
    standard = (image - CENTRE) / SPREAD * brain
    rows, columns = (torch.linspace(-1, 1, length) for length in (height, width))
    place = torch.stack(torch.meshgrid(rows, columns, indexing="ij")).to(image).expand(number, 2, height, width)
    return torch.cat([standard, standard.flip(2), place, brain], dim=1)
