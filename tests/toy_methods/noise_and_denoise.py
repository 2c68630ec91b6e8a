"""The map of a denoising diffusion: what does not come back out of the noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from monai.networks.nets import DiffusionModelUNet
from monai.networks.schedulers import DDIMScheduler

from pipeline.contracts import Scored


@dataclass(frozen=True)
class NoiseAndDenoise:
    """`|x − x̂|`, x̂ denoised step by step from x with the noise of step `start` (Wyatt et al. 2022).

    Args:
        scheduler: of the training; every `stride`-th of its steps is taken.
        start: step whose noise is added.
        stride: steps of the training for each step back.
    """

    scheduler: DDIMScheduler
    start: int = 40
    stride: int = 10

    def __call__(self, inputs: torch.Tensor, network: DiffusionModelUNet) -> Scored:
        """Map and x̂ of the slices `inputs` [N, 1, H, W] in [0, 1]."""
        self.scheduler.set_timesteps(self.scheduler.num_train_timesteps // self.stride)
        noise = torch.randn(inputs.shape, generator=torch.Generator().manual_seed(0)).to(inputs)
        image = self.scheduler.add_noise(inputs, noise, torch.tensor([self.start]).to(inputs.device))
        for step in range(self.start, -1, -self.stride):
            image, _ = self.scheduler.step(network(image, torch.tensor([step]).to(inputs)), step, image)
        return Scored((inputs - image).abs(), image)
