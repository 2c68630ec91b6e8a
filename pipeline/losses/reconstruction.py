"""Reconstruction error and evidence lower bound."""

from __future__ import annotations

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from pipeline.attention import at_least_float32
from pipeline.networks.autoencoder import AutoencoderOutput


def summed_bce(logits: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Binary cross entropy with logits, summed over pixels, averaged over images.

    Args:
        logits: [N, 1, H, W], reconstruction before the sigmoid. image: [N, 1, H, W] in [0, 1].
    """
    return binary_cross_entropy_with_logits(at_least_float32(logits), image, reduction="sum") / len(image)


def kl_to_standard_normal(mu: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    """`KL(N(mu, exp(logvar)) ‖ N(0, I)) = −½ Σ_d (1 + logvar − mu² − exp(logvar))`, averaged over images; mu [N, d]."""
    mu, logvar = at_least_float32(mu), at_least_float32(logvar)
    return -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum(dim=1).mean()


def negative_elbo(output: AutoencoderOutput, image: torch.Tensor) -> torch.Tensor:
    """`L_R + KL` of each image, [N]; `L_R` alone for an auto-encoder without log-variance. image: [N, 1, H, W]."""
    cross_entropy = binary_cross_entropy_with_logits(output.logits.float(), image, reduction="none")
    return cross_entropy.flatten(1).sum(dim=1) + kl_of_each(output)


def kl_of_each(output: AutoencoderOutput) -> torch.Tensor:
    """`KL(N(mu, exp(logvar)) ‖ N(0, I))` of each image, [N]; 0 without log-variance."""
    mu = output.mu.float()
    if output.logvar is None:
        return mu.new_zeros(len(mu))
    logvar = output.logvar.float()
    return -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum(dim=1)
