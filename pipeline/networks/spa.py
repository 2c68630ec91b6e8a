"""Two U-shaped networks in a row with a spatial latent between them (Bercea et al. 2022, section 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from monai.networks.nets.basic_unet import Down, TwoConv, UpCat
from torch import nn
from torch.nn.functional import logsigmoid

from pipeline.errors import PipelineError, check_choice

FILTERS = (32, 64, 128)
REDUCTION = 4
BLOCK: dict[str, Any] = {"act": "LeakyReLU", "norm": "batch", "bias": True}


class SpatialOutput(NamedTuple):
    """What a forward pass returns.

    reconstruction: [N, 1, H, W], without bounds. mu, logvar: [N, K, H, W], mean and log-variance of the latent maps.
    """

    reconstruction: torch.Tensor
    mu: torch.Tensor
    logvar: torch.Tensor


def sample_with_snr(mu: torch.Tensor, logvar: torch.Tensor, snr: float) -> torch.Tensor:
    """`z = mu + (1/√SNR) (‖mu‖/‖η‖) exp(logvar/2) η`, `η ~ N(0, I)`, norms of each image (Bercea 2022, section 2.2).

    Args:
        mu, logvar: [N, K, H, W]. snr: ratio of the powers of mu and of the noise for unit variance, > 0.
    """
    noise = torch.randn_like(mu)
    norms = mu.flatten(1).norm(dim=1) / noise.flatten(1).norm(dim=1)
    return mu + (norms / snr**0.5)[:, None, None, None] * torch.exp(0.5 * logvar) * noise


class UShape(nn.Module):
    """U-Net of three levels of 2 × [conv 3×3, batch norm, LeakyReLU] with 32, 64 and 128 filters.

    Args:
        inputs: channels of the input [N, inputs, H, W]; H and W are multiples of 4. The output has 32 channels.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        first, second, third = FILTERS
        self.level1 = TwoConv(2, inputs, first, **BLOCK)
        self.level2 = Down(2, first, second, **BLOCK)
        self.level3 = Down(2, second, third, **BLOCK)
        self.up2 = UpCat(2, third, second, second, **BLOCK)
        self.up1 = UpCat(2, second, first, first, **BLOCK)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        fine = self.level1(x)
        middle = self.level2(fine)
        return self.up1(self.up2(self.level3(middle), middle), fine)


HEADS: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], ...]] = {
    "sigmoid": (torch.sigmoid, logsigmoid),
    "linear": (lambda mu: mu, lambda logvar: logvar),
}


class SpatialVAE(nn.Module):
    """Encoder U → 1×1 convolutions to mean and log-variance of K maps → sample → decoder U → image.

    Skips stay inside each U, so all that the decoder sees of the image is the K maps.

    Args:
        image_size: H = W, a multiple of 4.
        latent_maps: K. heads: `sigmoid`, mean in (0, 1) and log-variance < 0 (logsigmoid), as for tissue probabilities;
            or `linear`, without bounds.
        snr: signal-to-noise ratio of the sample that is decoded while training, see `sample_with_snr`.

    Raises:
        PipelineError: an image size that is no multiple of 4, other heads, or an SNR that is not positive.
    """

    def __init__(self, image_size: int = 128, latent_maps: int = 4, heads: str = "linear", snr: float = 16.0) -> None:
        super().__init__()
        if image_size <= 0 or image_size % REDUCTION:
            raise PipelineError(f"image_size must be a positive multiple of {REDUCTION}, got {image_size}")
        check_choice("heads", heads, HEADS)
        if snr <= 0:
            raise PipelineError(f"the signal-to-noise ratio must be positive, got {snr}")
        self.heads = HEADS[heads]
        self.snr = snr
        self.encoder = UShape(1)
        self.to_mu = nn.Conv2d(FILTERS[0], latent_maps, 1)
        self.to_logvar = nn.Conv2d(FILTERS[0], latent_maps, 1)
        self.decoder = nn.Sequential(UShape(latent_maps), nn.Conv2d(FILTERS[0], 1, 1))

    def encode(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """mu and logvar, each [N, K, H, W] float32, of `image` [N, 1, H, W]."""
        features = self.encoder(image)
        of_mu, of_logvar = self.heads
        return of_mu(self.to_mu(features).float()), of_logvar(self.to_logvar(features).float())

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Image [N, 1, H, W] float32 of latent maps `z` [N, K, H, W]."""
        return self.decoder(z).float()

    def forward(self, image: torch.Tensor, sample: bool | None = None) -> SpatialOutput:
        """Encode and decode `image` [N, 1, H, W]; `sample` z or decode its mean (None: sample while training)."""
        mu, logvar = self.encode(image)
        sampled = self.training if sample is None else sample
        return SpatialOutput(self.decode(sample_with_snr(mu, logvar, self.snr) if sampled else mu), mu, logvar)
