"""A loss against lesion labels, for supervised references."""

from __future__ import annotations

from collections.abc import Callable

import torch

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
