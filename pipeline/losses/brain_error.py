"""Squared error of what was drawn, in the brain alone."""

from __future__ import annotations

import torch

from pipeline.attention import at_least_float32
from pipeline.contracts import Batch, Drawn
from pipeline.losses.batch_loss import BatchLoss, drawn_image


class BrainSquaredError(BatchLoss):
    """Mean squared error over the brain pixels of the batch, `Σ_B (x − x̂)² / |B|`."""

    def forward(self, output: torch.Tensor | Drawn, batch: Batch) -> torch.Tensor:
        """Scalar loss; output: x̂ [N, 1, H, W], or what holds it. batch: `image` x and `brain`, [N, 1, H, W]."""
        error = (at_least_float32(drawn_image(output)) - batch["image"]).square()
        total = (error * batch["brain"]).sum() / batch["brain"].sum().clamp_min(1)
        self.terms = {"pixels": total.detach()}
        return total
