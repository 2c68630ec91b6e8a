"""The map of a denoising diffusion: what does not come back out of the noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from monai.networks.schedulers import DDIMScheduler

from pipeline.contracts import Denoiser, Scored
from pipeline.inferers.chunks import CHUNK, scored_by_chunks
from pipeline.inferers.residual import PARTS, check_part
from pipeline.inferers.smoothing import check_sigma, smooth_volume
from pipeline.precision import autocast
from pipeline.transforms import OctaveNoise


@dataclass(frozen=True)
class NoiseAndDenoise:
    """`G ∗ part(x − x̂)`, x̂ denoised step by step from x with the noise of step `start` (partial diffusion).

    The Gaussian G works in the volume that the slices make, within the brain, which is where the image is positive.

    Args:
        scheduler: of the training; every `stride`-th of its steps is taken back, without new noise (DDIM).
        noise: as in training; the same for every volume.
        start: step whose noise is added, below the number of training steps.
        stride: training steps for each step back.
        part: of the residual, see `PARTS`.
        sigma_mm: standard deviation of G along the rows, the columns and the slices in mm; None = none.
        spacing_mm: size of a voxel along the rows, the columns and the slices in mm.
        chunk: slices at work at a time; None takes all at once.
        precision: of the network's passes, see `pipeline.precision`.

    Raises:
        PipelineError: another part, or negative sigma.

    Source: Wyatt et al. 2022 (AnoDDPM), Song et al. 2021 (DDIM).

    Example:
        >>> scheduler = DDIMScheduler(num_train_timesteps=100, clip_sample=False)
        >>> no_noise = lambda image, timesteps: torch.zeros_like(image)
        >>> NoiseAndDenoise(scheduler, OctaveNoise(), start=40)(torch.ones(1, 1, 8, 8), no_noise).map.shape
        torch.Size([1, 1, 8, 8])
    """

    scheduler: DDIMScheduler
    noise: OctaveNoise
    start: int = 40
    stride: int = 10
    part: str = "absolute"
    sigma_mm: Sequence[float] | None = None
    spacing_mm: Sequence[float] = (1.0, 1.0, 1.0)
    chunk: int | None = CHUNK
    precision: str = "fp32"

    def __post_init__(self) -> None:
        check_part(self.part)
        check_sigma(*(self.sigma_mm or ()))

    def __call__(self, inputs: torch.Tensor, network: Denoiser) -> Scored:
        """Map and x̂ of the slices `inputs` [N, 1, H, W] in [0, 1]; the network is in evaluation mode."""
        self.scheduler.set_timesteps(self.scheduler.num_train_timesteps // self.stride)
        generator = torch.Generator().manual_seed(0)
        scored = scored_by_chunks(lambda image: self._score(image, network, generator), inputs, self.chunk)
        return scored._replace(map=smooth_volume(scored.map, inputs > 0, self.sigma_mm, self.spacing_mm))

    def _score(self, image: torch.Tensor, network: Denoiser, generator: torch.Generator) -> Scored:
        at = torch.tensor([self.start], device=image.device)
        drawn = self.scheduler.add_noise(image, self.noise(image, generator), at)
        for step in range(self.start, -1, -self.stride):
            with autocast(self.precision, image.device):
                predicted = network(drawn, torch.tensor([step], device=image.device)).float()
            drawn, _ = self.scheduler.step(predicted, step, drawn)
        return Scored(PARTS[self.part](image - drawn), drawn)
