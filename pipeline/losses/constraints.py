"""Constraints on attention maps: a term that a trained method adds to its reconstruction objective."""

from __future__ import annotations

import torch
from ignite import distributed as idist
from torch import nn

from pipeline.attention import (
    ACTIVATIONS,
    CHANNEL_NORMALISATIONS,
    STAGES,
    WEIGHTINGS,
    activation_map,
    grad_cam,
)
from pipeline.contracts import Batch, Encoded
from pipeline.errors import check_choice
from pipeline.losses.batch_loss import BatchLoss
from pipeline.losses.regions import REGIONS

LEVELS = ("image", "pixel")


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


class ActivationEntropy(BatchLoss):
    """`−mean_n H(activation map of image n over its brain)`: minimised, it spreads attention over the normal brain.

    Args:
        stage: residual stage of the encoder whose activation map is used, 1–4.
        region: of the softmax: `brain` of each image, `batch_mask` or `frame`, see `pipeline.losses.regions`.
        activation: of the map before the softmax: `none` or `sigmoid`.
        normalisation: of the channels before their mean: `none` or `instance`, see `pipeline.attention.activation_map`.

    Source: Silva-Rodríguez et al. 2022, Eqs. 6–8 (AMCons).
    """

    def __init__(
        self, stage: int = 1, region: str = "brain", activation: str = "none", normalisation: str = "none"
    ) -> None:
        super().__init__()
        check_choice("attention stage", stage, STAGES)
        check_choice("region", region, REGIONS)
        check_choice("activation", activation, ACTIVATIONS)
        check_choice("channel normalisation", normalisation, CHANNEL_NORMALISATIONS)
        self.stage = stage
        self.region = region
        self.activation = activation
        self.normalisation = normalisation

    def forward(self, output: Encoded, batch: Batch) -> torch.Tensor:
        size, features = batch["image"].shape[-2:], output.features[self.stage - 1]
        attention = activation_map(features, size, self.activation, self.normalisation)
        return -spatial_entropy(attention, REGIONS[self.region](batch)).mean()


class SizeConstraint(BatchLoss):
    """Attention shall cover the whole region: `Σ_n penalty(z_n)`, the constraint is `z ≤ 0`.

    `image`: `z_n = 1 − slack − mean(a_n)`, one constraint an image (Silva-Rodríguez 2022, Eqs. 3 and 5). `pixel`:
    `z = 1 − slack − a` at every pixel, whose penalties are averaged (Venkataramanan et al. 2020). a: the Grad-CAM.
    The sum over images is that of all ranks. An image whose region is empty adds 0.

    Args:
        penalty: element by element, see `pipeline.losses.penalties`.
        level: `image` or `pixel`.
        stage: residual stage of the encoder, 1–4.
        region: `frame`, `brain` of each image or `batch_mask`, see `pipeline.losses.regions`.
        slack: share of the region that may be left out, in [0, 1).
        weighting, activation: see `pipeline.attention.grad_cam`.
    """

    def __init__(
        self,
        penalty: nn.Module,
        level: str = "image",
        stage: int = 1,
        region: str = "frame",
        slack: float = 0.0,
        weighting: str = "gradients",
        activation: str = "sigmoid",
    ) -> None:
        super().__init__()
        check_choice("level", level, LEVELS)
        check_choice("attention stage", stage, STAGES)
        check_choice("region", region, REGIONS)
        check_choice("weighting", weighting, WEIGHTINGS)
        check_choice("activation", activation, ACTIVATIONS)
        self.penalty = penalty
        self.level = level
        self.stage = stage
        self.region = region
        self.slack = slack
        self.weighting = weighting
        self.activation = activation

    def forward(self, output: Encoded, batch: Batch) -> torch.Tensor:
        size, features = batch["image"].shape[-2:], output.features[self.stage - 1]
        attention = grad_cam(features, output.mu, size, self.weighting, self.activation, create_graph=True)
        return self.of_map(attention, REGIONS[self.region](batch)).sum() * idist.get_world_size()

    def of_map(self, attention: torch.Tensor, region: torch.Tensor) -> torch.Tensor:
        """Penalty of each map, [N]; attention [N, 1, H, W], region [N, 1, H, W] bool."""
        inside, z = region.flatten(1).to(attention.dtype), 1 - self.slack - attention.flatten(1)
        pixels = inside.sum(dim=1)
        mean = lambda values: (values * inside).sum(dim=1) / pixels.clamp_min(1)  # noqa: E731
        penalties = self.penalty(mean(z)) if self.level == "image" else mean(self.penalty(z))
        return penalties * (pixels > 0)
