"""Losses against lesion labels, true or painted."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from pipeline.attention import at_least_float32
from pipeline.contracts import Batch
from pipeline.losses.batch_loss import BatchLoss


class LabelLoss(BatchLoss):
    """`loss(logits, lesion)` of a batch; its value is kept for the training log.

    Args:
        loss: `(logits, labels) -> scalar`, both [N, 1, H, W], e.g. `monai.losses.DiceCELoss(sigmoid=True)`.
    """

    def __init__(self, loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, output: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Scalar loss; output: logits [N, 1, H, W]. batch: `lesion` [N, 1, H, W] bool."""
        total = self.loss(at_least_float32(output), batch["lesion"].to(torch.float32))
        self.terms = {"labels": total.detach()}
        return total


class BrainCrossEntropy(BatchLoss):
    """Cross entropy of the logits with a label in [0, 1], mean over the brain pixels of the batch.

    `−Σ_B y log p + (1 − y) log(1 − p) / |B|`, `p = sigmoid(logits)`.
    """

    def forward(self, output: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Scalar loss; output: logits [N, 1, H, W]. batch: `lesion` [N, 1, H, W] in [0, 1], `brain` bool."""
        logits, label = at_least_float32(output), batch["lesion"].to(torch.float32)
        each = binary_cross_entropy_with_logits(logits, label, reduction="none")
        total = (each * batch["brain"]).sum() / batch["brain"].sum().clamp_min(1)
        self.terms = {"labels": total.detach()}
        return total
