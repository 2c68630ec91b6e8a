"""What a trainer minimises: a loss of this package, or any loss of two tensors."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from pipeline.attention import at_least_float32
from pipeline.contracts import Batch, Drawn


class BatchLoss(nn.Module):
    """A loss of what the network returned and of the whole batch: `(output, batch) -> scalar`.

    The latest value of each of its terms, detached, is in `terms`, for the training log.
    """

    def __init__(self) -> None:
        super().__init__()
        self.terms: dict[str, torch.Tensor] = {}


def drawn_image(output: torch.Tensor | Drawn) -> torch.Tensor:
    """The image [N, 1, H, W] that a network drew: its output, or the `reconstruction` of its output."""
    return output if isinstance(output, torch.Tensor) else output.reconstruction


def training_loss(loss: nn.Module) -> Callable[..., torch.Tensor]:
    """`(output, target) -> scalar`, what a trainer calls with the network's output and the target of `prepare_batch`.

    A BatchLoss is called as it is. Every other loss, e.g. those of `torch.nn` and `monai.losses`, gets two tensors: the
    output, or its `reconstruction`, in float32; and the target, or its `image` where the target is the batch.

    Args:
        loss: a BatchLoss, or a loss of two tensors of the same shape.

    >>> training_loss(nn.L1Loss())(torch.ones(1, 1, 2, 2), {"image": torch.zeros(1, 1, 2, 2)})
    tensor(1.)
    """

    def of_tensors(output: torch.Tensor | Drawn, target: torch.Tensor | Batch) -> torch.Tensor:
        drawn = at_least_float32(drawn_image(output))
        return loss(drawn, target if isinstance(target, torch.Tensor) else target["image"])

    return loss if isinstance(loss, BatchLoss) else of_tensors
