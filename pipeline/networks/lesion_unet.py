"""A U-Net that marks lesions, and knows what is normal where it looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.networks.blocks import UpSample
from monai.networks.nets.basic_unet import Down, TwoConv
from torch import nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from pipeline.errors import PipelineError
from pipeline.networks.normative import NormativeAtlas

FILTERS = (32, 64, 96, 128)
CENTRE, SPREAD = 0.4, 0.2  # of the intensity in a prepared brain
HALF = 2  # the network works at half the resolution, on four times the channels
SCORES = (-4.0, 6.0)  # limits of a standard score
BLOCK: dict[str, Any] = {"act": "relu", "norm": "batch", "bias": False}


class LesionUNet(nn.Module):
    """One logit a pixel from the image and from what is normal at its place in the atlas.

    `pixel-unshuffle × 2 → U-Net → 1 × 1 convolution → pixel-shuffle × 2`. The U-Net sees three channels: the image, the
    mean μ of normal brains at the place, and the standard score `(x − μ) / σ`, cut to [−4, 6].

    Args:
        image_size: H = W, a multiple of 2 to the number of levels.
        filters: of each level of the U-Net.

    Raises:
        PipelineError: an image size that the levels do not divide.
    """

    CHANNELS = 3

    def __init__(self, image_size: int, filters: Sequence[int] = FILTERS) -> None:
        super().__init__()
        reduction = 2 ** len(filters)
        if image_size <= 0 or image_size % reduction:
            raise PipelineError(f"image_size must be a positive multiple of {reduction}, got {image_size}")
        steps = list(zip(filters, filters[1:], strict=False))
        self.atlas = NormativeAtlas(sigma_px=1.2, sigma_slices=3.0, prior=0.5)
        self.enter = TwoConv(2, self.CHANNELS * HALF**2, filters[0], **BLOCK)
        self.down = nn.ModuleList(Down(2, fine, coarse, **BLOCK) for fine, coarse in steps)
        self.enlarge = UpSample(2, scale_factor=2, mode="nontrainable", interp_mode="nearest", align_corners=None)
        self.up = nn.ModuleList(TwoConv(2, fine + coarse, fine, **BLOCK) for fine, coarse in reversed(steps))
        self.leave = nn.Conv2d(filters[0], HALF**2, 1)

    def forward(self, image: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Logits of slices whose brain is where they are positive.

        Args:
            image: [N, 1, H, W] in [0, 1].
            z: heights of the slices in the atlas, [N].

        Returns:
            [N, 1, H, W], without bounds.
        """
        levels = [self.enter(pixel_unshuffle(self._channels(image, z), HALF))]
        for down in self.down:
            levels.append(down(levels[-1]))
        found = levels.pop()
        for up in self.up:
            found = up(torch.cat([levels.pop(), self.enlarge(found)], dim=1))
        return pixel_shuffle(self.leave(found), HALF)

    def _channels(self, image: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """[N, 3, H, W]: image and normal mean, standardised, and the score."""
        normal = self.atlas.mean[z.clamp(0, len(self.atlas.mean) - 1)]
        score = self.atlas(image, z).clamp(*SCORES) / 2
        standard = (image - CENTRE) / SPREAD * (image > 0)
        return torch.cat([standard, (normal - CENTRE) / SPREAD, score], dim=1)
