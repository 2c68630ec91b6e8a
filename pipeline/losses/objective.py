"""The training objective of every auto-encoding method: reconstruction + β KL + weight · constraint."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from pipeline.losses.reconstruction import kl_to_standard_normal, summed_bce
from pipeline.networks.autoencoder import AutoencoderOutput


class Objective(nn.Module):
    """`L_R + β KL + weight · constraint`; the last value of each term is kept in `terms` for the training log.

    Args:
        beta: weight of the KL term, used when the network is variational.
        constraint: module `(output, batch) -> scalar`, or None for no constraint.
        constraint_weight: λ of the constraint.
    """

    def __init__(self, beta: float = 1.0, constraint: nn.Module | None = None, constraint_weight: float = 0.0) -> None:
        super().__init__()
        self.beta = beta
        self.constraint = constraint
        self.constraint_weight = constraint_weight
        self.terms: dict[str, torch.Tensor] = {}

    def forward(self, output: AutoencoderOutput, batch: dict[str, Any]) -> torch.Tensor:
        """Scalar loss of a forward pass.

        Args:
            output: what the network returned for the batch.
            batch: `image` [N, 1, H, W] in [0, 1], `brain` [N, 1, H, W] bool.
        """
        terms = {"reconstruction": summed_bce(output.logits, batch["image"])}
        total = terms["reconstruction"]
        if output.logvar is not None:
            terms["kl"] = kl_to_standard_normal(output.mu, output.logvar)
            total = total + self.beta * terms["kl"]
        if self.constraint is not None:
            terms["constraint"] = self.constraint(output, batch)
            total = total + self.constraint_weight * terms["constraint"]
        self.terms = {name: value.detach() for name, value in terms.items()}
        return total
