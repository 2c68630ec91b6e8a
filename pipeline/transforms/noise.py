"""Noise that is smooth, as lesions are: what a network that only removes speckle does not undo."""

from __future__ import annotations

import torch
from torch.nn.functional import interpolate

from pipeline.contracts import Batch
from pipeline.errors import PipelineError


class CoarseNoise:
    """Adds coarse Gaussian noise to the brain of each image, `x + σ ε B`.

    ε is drawn from a standard normal distribution on a grid of `cells` × `cells`, enlarged to the image (bilinear) and
    rolled by a random offset. Outside the brain B the image stays exactly as it is.

    Args:
        sigma: σ, in units of the image's intensity, which is in [0, 1]; ≥ 0.
        cells: of the grid along each side, ≥ 1.

    Raises:
        PipelineError: negative sigma, or no cell.

    Source: Kascenas et al. 2022; there 16 cells at 128 px and σ = 0.2.

    Example:
        >>> image, brain = torch.full((1, 1, 32, 32), 0.5), torch.zeros(1, 1, 32, 32, dtype=torch.bool)
        >>> brain[..., :16] = True
        >>> noisy = CoarseNoise()({"image": image, "brain": brain})
        >>> bool((noisy != image)[brain].all()), torch.equal(noisy[~brain], image[~brain])
        (True, True)
    """

    def __init__(self, sigma: float = 0.2, cells: int = 16) -> None:
        if sigma < 0 or cells < 1:
            raise PipelineError(f"coarse noise needs sigma ≥ 0 and at least one cell, got {sigma} and {cells}")
        self.sigma = sigma
        self.cells = cells

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Noisy copy of `batch["image"]` [N, 1, H, W], which stays as it is; `brain` [N, 1, H, W] bool."""
        image = batch["image"]
        coarse = torch.randn(len(image), 1, self.cells, self.cells)
        noise = interpolate(coarse, size=image.shape[-2:], mode="bilinear", align_corners=False)
        for index, one in enumerate(noise):
            shifts = tuple(int(torch.randint(length, ())) for length in image.shape[-2:])
            noise[index] = one.roll(shifts, (1, 2))
        return image + self.sigma * noise.to(image) * batch["brain"]


class OctaveNoise:
    """Noise of many scales with mean 0 and standard deviation 1 in each image, `Σ_k d^k ε_k`.

    ε_k is standard normal on a grid of half the cells of ε_{k−1}, the first with a cell a pixel, enlarged to the image
    (bilinear); the last has at least four cells along each side. What is as large as a lesion is destroyed by it after
    fewer steps of a diffusion than by white noise.

    Args:
        decay: d, weight of each octave in the next finer one's; 0 is white noise.

    Source: Wyatt et al. 2022 (AnoDDPM) take octaves of simplex noise with d = 0.8; these are bilinear.

    Example:
        >>> noise = OctaveNoise()(torch.zeros(2, 1, 32, 32))
        >>> noise.shape, noise.std(dim=(1, 2, 3), correction=0).round(decimals=3).tolist()
        (torch.Size([2, 1, 32, 32]), [1.0, 1.0])
    """

    def __init__(self, decay: float = 0.8) -> None:
        self.decay = decay

    def __call__(self, like: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Noise of the shape of `like` [N, 1, H, W]; drawn on the host, so that it is the same on every device."""
        number, _, height, width = like.shape
        noise, weight = torch.randn(number, 1, height, width, generator=generator), 1.0
        while self.decay > 0 and min(height, width) >= 8:
            height, width, weight = height // 2, width // 2, weight * self.decay
            coarse = torch.randn(number, 1, height, width, generator=generator)
            noise += weight * interpolate(coarse, size=like.shape[-2:], mode="bilinear", align_corners=False)
        noise -= noise.mean(dim=(1, 2, 3), keepdim=True)
        return (noise / noise.std(dim=(1, 2, 3), keepdim=True, correction=0)).to(like)
