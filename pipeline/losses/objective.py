"""The training objective of every auto-encoding method: reconstruction + β KL + weight · constraint."""

from __future__ import annotations

import torch
from ignite import distributed as idist
from torch import nn

from pipeline.contracts import Batch, Logits
from pipeline.errors import PipelineError, check_choice
from pipeline.losses.batch_loss import BatchLoss
from pipeline.losses.reconstruction import kl_of_each, summed_bce

REDUCTIONS = ("sum", "mean")


class Objective(BatchLoss):
    """`L_R + β KL + weight · constraint`; the last value of each term is kept in `terms` for the training log.

    Args:
        beta: weight of the KL term, used when the network is variational.
        constraint: module `(output, batch) -> scalar`, or None for no constraint. It is left out, and not computed,
            while the attribute `constrained` is False.
        constraint_weight: λ of the constraint.
        pixels: reduction of L_R over the pixels of an image. `sum`; the published code of one method takes `mean`.
        kl_images: reduction of the KL term over the images. `mean`; the published code of some methods takes `sum`.

    Raises:
        PipelineError: another reduction, or a constraint without a weight.
    """

    def __init__(
        self,
        beta: float = 1.0,
        constraint: nn.Module | None = None,
        constraint_weight: float | None = 0.0,
        pixels: str = "sum",
        kl_images: str = "mean",
    ) -> None:
        super().__init__()
        check_choice("pixels", pixels, REDUCTIONS)
        check_choice("kl_images", kl_images, REDUCTIONS)
        if constraint_weight is None:
            raise PipelineError("the method has no constraint_weight; the preset `tuned` takes tuned_constraint_weight")
        self.beta = beta
        self.constraint = constraint
        self.constraint_weight = constraint_weight
        self.constrained = True
        self.pixels = pixels
        self.kl_images = kl_images

    def forward(self, output: Logits, batch: Batch) -> torch.Tensor:
        """Scalar loss of a forward pass.

        Args:
            output: what the network returned for the batch.
            batch: `image` [N, 1, H, W] in [0, 1], `brain` [N, 1, H, W] bool.
        """
        image = batch["image"]
        pixels = image[0].numel() if self.pixels == "mean" else 1
        terms = {"reconstruction": summed_bce(output.logits, image) / pixels}
        total = terms["reconstruction"]
        if output.logvar is not None:
            images = len(image) * idist.get_world_size() if self.kl_images == "sum" else 1
            terms["kl"] = kl_of_each(output.mu, output.logvar).mean() * images
            total = total + self.beta * terms["kl"]
        if self.constraint is not None and self.constrained:
            terms["constraint"] = self.constraint(output, batch)
            total = total + self.constraint_weight * terms["constraint"]
        self.terms = {name: value.detach() for name, value in terms.items()}
        return total
