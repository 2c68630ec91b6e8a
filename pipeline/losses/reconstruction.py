"""Reconstruction error and evidence lower bound."""

from __future__ import annotations

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from pipeline.attention import at_least_float32
from pipeline.contracts import Logits


def summed_bce(logits: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Binary cross entropy with logits, summed over pixels, averaged over images.

    Args:
        logits: [N, 1, H, W], reconstruction before the sigmoid. image: [N, 1, H, W] in [0, 1].
    """
    return binary_cross_entropy_with_logits(at_least_float32(logits), image, reduction="sum") / len(image)


def kl_of_each(mu: torch.Tensor, logvar: torch.Tensor | None) -> torch.Tensor:
    """`KL(N(mu, exp(logvar)) ‖ N(0, I)) = −½ Σ (1 + logvar − mu² − exp(logvar))` of each image, [N].

    Args:
        mu, logvar: [N, ...], summed over all but the images; 0 without log-variance, as of a plain auto-encoder.
    """
    mu = at_least_float32(mu)
    if logvar is None:
        return mu.new_zeros(len(mu))
    logvar = at_least_float32(logvar)
    return -0.5 * (1 + logvar - mu.square() - logvar.exp()).flatten(1).sum(dim=1)


def negative_elbo(output: Logits, image: torch.Tensor) -> torch.Tensor:
    """`L_R + KL` of each image, [N]; `L_R` alone for an auto-encoder without log-variance. image: [N, 1, H, W]."""
    cross_entropy = binary_cross_entropy_with_logits(output.logits.float(), image, reduction="none")
    return cross_entropy.flatten(1).sum(dim=1) + kl_of_each(output.mu, output.logvar)
