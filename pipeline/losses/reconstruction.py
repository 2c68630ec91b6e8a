"""Reconstruction error and evidence lower bound."""

from __future__ import annotations

import torch
from torch.nn.functional import binary_cross_entropy_with_logits


def summed_bce(logits: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Binary cross entropy with logits, summed over pixels, averaged over images.

    Args:
        logits: [N, 1, H, W], reconstruction before the sigmoid. image: [N, 1, H, W] in [0, 1].
    """
    return binary_cross_entropy_with_logits(logits.float(), image, reduction="sum") / len(image)


def kl_to_standard_normal(mu: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    """`KL(N(mu, exp(logvar)) ‖ N(0, I)) = −½ Σ_d (1 + logvar − mu² − exp(logvar))`, averaged over images; mu [N, d]."""
    mu, logvar = mu.float(), logvar.float()
    return -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum(dim=1).mean()
