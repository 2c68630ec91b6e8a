"""The KL terms of a Gaussian-mixture VAE (Dilokthanakul et al. 2017, Eqs. 4–7; You et al. 2019): `output -> [N]`."""

from __future__ import annotations

import math

import torch
from torch import nn

from pipeline.contracts import Batch
from pipeline.losses.reconstruction import kl_of_each
from pipeline.losses.shape_prior import gaussian_kl
from pipeline.networks.gmvae import MixtureOutput


def log_responsibilities(output: MixtureOutput) -> torch.Tensor:
    """`log p(c|w, z)`, `p(c|w, z) ∝ N(z; mu_c(w), s_c(w))` of equally likely components, [N, C, H, W]."""
    distance = (output.z[:, None] - output.prior_mu).square() * torch.exp(-output.prior_logvar)
    return torch.log_softmax(-0.5 * (output.prior_logvar + distance).sum(dim=2), dim=1)


def conditional_prior_kl(output: MixtureOutput, log_shares: torch.Tensor) -> torch.Tensor:
    """`Σ_c p(c|w, z) KL(q(z|x) ‖ p(z|w, c))`, [N, H, W]; log_shares [N, C, H, W]."""
    each = gaussian_kl(output.mu[:, None], output.logvar[:, None], output.prior_mu, output.prior_logvar)
    return (log_shares.exp() * each.sum(dim=2)).sum(dim=1)


def c_prior_kl(log_shares: torch.Tensor) -> torch.Tensor:
    """`KL(p(c|w, z) ‖ 1/C) = log C + Σ_c p(c|w, z) log p(c|w, z)`, [N, H, W]; log_shares [N, C, H, W]."""
    return math.log(log_shares.shape[1]) + (log_shares.exp() * log_shares).sum(dim=1)


class MixtureKL(nn.Module):
    """Conditional prior, w prior and c prior terms of the lower bound, one sample of z and w, summed over pixels."""

    def forward(self, output: MixtureOutput, batch: Batch) -> torch.Tensor:
        """Sum of the terms of each image, [N]; the batch is not looked at."""
        log_shares = log_responsibilities(output)
        of_z_and_c = conditional_prior_kl(output, log_shares) + c_prior_kl(log_shares)
        return of_z_and_c.flatten(1).sum(dim=1) + kl_of_each(output.w_mu, output.w_logvar)
