"""MONAI's training of a denoising diffusion, with noise of one's own."""

from __future__ import annotations

from collections.abc import Callable

import torch
from monai.engines import DiffusionPrepareBatch


class PrepareDiffusion(DiffusionPrepareBatch):
    """Network input = the image; `noise` and `timesteps` for the DiffusionInferer; target = the noise.

    Args:
        noise: `images [N, 1, H, W] -> noise` of their shape, of mean 0 and standard deviation 1.
        num_train_timesteps: of the scheduler.
    """

    def __init__(self, noise: Callable[[torch.Tensor], torch.Tensor], num_train_timesteps: int) -> None:
        super().__init__(num_train_timesteps)
        self.noise = noise

    def get_noise(self, images: torch.Tensor) -> torch.Tensor:
        return self.noise(images)
