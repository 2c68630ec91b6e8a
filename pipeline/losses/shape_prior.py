"""How far a spatial latent is from its prior: `(output, batch) -> [N]`, one number an image."""

from __future__ import annotations

import torch
from torch import nn

from pipeline.attention import at_least_float32
from pipeline.contracts import Batch, Gaussian
from pipeline.losses.reconstruction import kl_of_each
from pipeline.prior import ShapePrior


def gaussian_kl(
    mu: torch.Tensor, logvar: torch.Tensor, prior_mu: torch.Tensor, prior_logvar: torch.Tensor
) -> torch.Tensor:
    """KL of two Gaussians, element by element: `½ [s_p − s_q − 1 + e^(s_q − s_p) + (mu_q − mu_p)² e^(−s_p)]`."""
    distance = (mu - prior_mu).square() * torch.exp(-prior_logvar)
    return 0.5 * (prior_logvar - logvar - 1 + torch.exp(logvar - prior_logvar) + distance)


class KLToShapePrior(nn.Module):
    """KL of the latent maps to the tissue prior at each slice's place in the atlas (Bercea et al. 2022, Eq. 2).

    Summed over pixels, averaged over tissues.

    Args:
        prior: of the grid of the images. variance_floor: smaller variances of the prior count as this one; a pixel
            where all subjects agree has the variance 0, of which no KL is finite.
    """

    def __init__(self, prior: ShapePrior, variance_floor: float = 1e-2) -> None:
        super().__init__()
        self.prior = prior
        self.mean: torch.Tensor
        self.logvar: torch.Tensor
        self.register_buffer("mean", prior.mean, persistent=False)
        self.register_buffer("logvar", prior.variance.clamp_min(variance_floor).log(), persistent=False)

    def forward(self, output: Gaussian, batch: Batch) -> torch.Tensor:
        """KL of each image, [N].

        Args:
            output: mu and logvar [N, 4, H, W]. batch: `z` [N], atlas position of each slice.
        """
        mu, logvar = at_least_float32(output.mu), at_least_float32(output.logvar)
        if self.mean.device != mu.device:
            self.to(mu.device)  # once, in place of a part of the prior with every batch
        rows = self.prior.rows_of(batch["z"])
        prior_mu, prior_logvar = (part.index_select(0, rows).to(mu) for part in (self.mean, self.logvar))
        return gaussian_kl(mu, logvar, prior_mu, prior_logvar).mean(dim=1).flatten(1).sum(dim=1)


class KLToStandardNormal(nn.Module):
    """KL of the latent maps to `N(0, I)`, summed over pixels, averaged over maps: the plain spatial VAE."""

    def forward(self, output: Gaussian, batch: Batch) -> torch.Tensor:
        """KL of each image, [N]; the batch is not looked at."""
        return kl_of_each(output.mu, output.logvar) / output.mu.shape[1]
