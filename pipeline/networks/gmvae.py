"""Gaussian-mixture VAE with latent maps on the grid of the image (Dilokthanakul et al. 2017; You et al. 2019)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from pipeline.errors import PipelineError
from pipeline.networks.spa import FILTERS, SpatialVAE, sample_with_snr


class MixtureOutput(NamedTuple):
    """What a forward pass returns: C components, K maps of z, D maps of w.

    reconstruction: [N, 1, H, W], without bounds. mu, logvar: of q(z|x), and z what was decoded, [N, K, H, W].
    w_mu, w_logvar: of q(w|x), [N, D, H, W]. prior_mu, prior_logvar: of p(z|w, c), [N, C, K, H, W].
    """

    reconstruction: torch.Tensor
    mu: torch.Tensor
    logvar: torch.Tensor
    z: torch.Tensor
    w_mu: torch.Tensor
    w_logvar: torch.Tensor
    prior_mu: torch.Tensor
    prior_logvar: torch.Tensor


class SpatialGMVAE(SpatialVAE):
    """SpatialVAE whose prior is a mixture of C Gaussians a pixel, `p(z|w, c)`, drawn by 1×1 convolutions from w.

    `p(w) = N(0, I)`, `p(c) = 1/C`, `q(z|x)` and `q(w|x)` are 1×1 convolutions of the encoder's features.

    Args:
        image_size, latent_maps, snr: see SpatialVAE; the SNR is that of z, w is sampled as usual.
        components: C ≥ 2. w_maps: D ≥ 1.

    Raises:
        PipelineError: fewer than two components, or no map of w.
    """

    HIDDEN = 32
    MAX_LOGVAR = 20.0

    def __init__(
        self, image_size: int = 128, latent_maps: int = 4, components: int = 6, w_maps: int = 1, snr: float = 16.0
    ) -> None:
        super().__init__(image_size, latent_maps, "linear", snr)
        if components < 2 or w_maps < 1:
            raise PipelineError(f"a mixture needs components ≥ 2 and w_maps ≥ 1, got {components} and {w_maps}")
        self.components = components
        self.to_w_mu = nn.Conv2d(FILTERS[0], w_maps, 1)
        self.to_w_logvar = nn.Conv2d(FILTERS[0], w_maps, 1)
        self.to_hidden = nn.Sequential(nn.Conv2d(w_maps, self.HIDDEN, 1), nn.LeakyReLU())
        self.to_prior_mu = nn.Conv2d(self.HIDDEN, components * latent_maps, 1)
        self.to_prior_logvar = nn.Conv2d(self.HIDDEN, components * latent_maps, 1)

    def prior_of(self, w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log-variance of p(z|w, c), each [N, C, K, H, W], of `w` [N, D, H, W].

        The log-variance is clipped to ±20: below −88 `exp(−logvar)` is infinite, and 0 times it no number. Networks of
        20 epochs have −0.8 to 1.2.
        """
        hidden = self.to_hidden(w)
        mu, logvar = self.to_prior_mu(hidden).float(), self.to_prior_logvar(hidden).float()
        bounded = logvar.clamp(-self.MAX_LOGVAR, self.MAX_LOGVAR)
        return tuple(part.unflatten(1, (self.components, -1)) for part in (mu, bounded))

    def forward(self, image: torch.Tensor, sample: bool | None = None) -> MixtureOutput:  # type: ignore[override]
        """Encode and decode `image` [N, 1, H, W]; `sample` z and w or take their means (None: while training)."""
        features = self.encoder(image)
        heads = (self.to_mu, self.to_logvar, self.to_w_mu, self.to_w_logvar)
        mu, logvar, w_mu, w_logvar = (head(features).float() for head in heads)
        z, w = mu, w_mu
        if self.training if sample is None else sample:
            z = sample_with_snr(mu, logvar, self.snr)
            w = w_mu + torch.exp(0.5 * w_logvar) * torch.randn_like(w_mu)
        return MixtureOutput(self.decode(z), mu, logvar, z, w_mu, w_logvar, *self.prior_of(w))
