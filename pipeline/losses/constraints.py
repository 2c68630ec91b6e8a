"""Constraints on attention maps: a term that a trained method adds to its reconstruction objective."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from pipeline.attention import activation_map
from pipeline.errors import PipelineError
from pipeline.networks.autoencoder import AutoencoderOutput


def spatial_entropy(attention: torch.Tensor, region: torch.Tensor) -> torch.Tensor:
    """Shannon entropy of the softmax over a region, image by image (Silva-Rodríguez 2022, Eq. 8).

    `p = softmax(a over B)`, `H = −Σ_B p log p`, in [0, log|B|] nats. For small spread `log|B| − H ≈ Var(a)/2`.
    The paper's factor 1/|B| would make the term vanish, so it is left out.

    Args:
        attention: [N, 1, H, W]. region: [N, 1, H, W] bool, the brain of each image.

    Returns:
        [N] entropies; 0 for an image whose region is empty.
    """
    outside = ~region.flatten(1)
    logits = attention.flatten(1).masked_fill(outside, torch.finfo(attention.dtype).min)
    log_p = torch.log_softmax(logits, dim=1).masked_fill(outside, 0.0)
    return -(log_p.exp() * log_p).masked_fill(outside, 0.0).sum(dim=1)


class ActivationEntropy(nn.Module):
    """`−mean_n H(activation map of image n over its brain)`: minimised, it spreads attention over the normal brain.

    Args:
        stage: residual stage of the encoder whose activation map is used, 1–4.

    Source: Silva-Rodríguez et al. 2022, Eqs. 6–8 (AMCons).
    """

    def __init__(self, stage: int = 1) -> None:
        super().__init__()
        if stage not in (1, 2, 3, 4):
            raise PipelineError(f"attention stage must be 1, 2, 3 or 4, got {stage}")
        self.stage = stage

    def forward(self, output: AutoencoderOutput, batch: dict[str, Any]) -> torch.Tensor:
        size = (batch["image"].shape[-2], batch["image"].shape[-1])
        attention = activation_map(output.features[self.stage - 1], size)
        return -spatial_entropy(attention, batch["brain"]).mean()
