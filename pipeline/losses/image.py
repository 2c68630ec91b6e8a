"""The training objective of Bercea et al. 2022: absolute error, total variation, perceptual distance, latent KL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import nn

from pipeline.attention import at_least_float32
from pipeline.contracts import Batch, Drawn
from pipeline.errors import PipelineError
from pipeline.losses.batch_loss import BatchLoss
from pipeline.precision import autocast

DrawnT = TypeVar("DrawnT", bound=Drawn)


def mean_total_variation(image: torch.Tensor) -> torch.Tensor:
    """`mean |x(i+1, j) − x(i, j)| + mean |x(i, j+1) − x(i, j)|` over all images [N, 1, H, W]."""
    return image.diff(dim=-2).abs().mean() + image.diff(dim=-1).abs().mean()


def perceptual_distance(
    features: nn.Module, drawn: torch.Tensor, image: torch.Tensor, precision: str = "fp32"
) -> torch.Tensor:
    """`mean_j mean (φ_j(x̂) − φ_j(x))²` (Johnson et al. 2016), gradients through x̂ alone; images [N, 1, H, W].

    Args:
        precision: of the feature network, see `pipeline.precision`; differences are float32 or finer.
    """
    with autocast(precision, image.device):
        with torch.no_grad():
            wanted = features(image)
        found = features(drawn)
    pairs = [(at_least_float32(a), at_least_float32(b)) for a, b in zip(found, wanted, strict=True)]
    return torch.stack([(a - b).square().mean() for a, b in pairs]).mean()


class ImageObjective(BatchLoss, Generic[DrawnT]):
    """`mean |x − x̂| + TV(x̂) + λ PL(x, x̂) + β KL` (Bercea 2022, Eq. 3); the last terms are kept for the training log.

    Args:
        latent: `(output, batch) -> [N]`, KL of each image. beta: β.
        features: feature network of PL, `image -> list of maps`; None only with λ = 0. perceptual_weight: λ ≥ 0.
        precision: of the feature network, see `pipeline.precision`.

    Raises:
        PipelineError: λ > 0 without a feature network: the term is never dropped in silence.
    """

    def __init__(
        self,
        latent: Callable[[DrawnT, Batch], torch.Tensor],
        beta: float,
        features: nn.Module | None = None,
        perceptual_weight: float = 0.1,
        precision: str = "fp32",
    ) -> None:
        super().__init__()
        if perceptual_weight and features is None:
            raise PipelineError(f"perceptual_weight {perceptual_weight} needs a feature network; 0 trains without")
        self.latent = latent
        self.beta = beta
        self.features = features
        self.perceptual_weight = perceptual_weight
        self.precision = precision

    def forward(self, output: DrawnT, batch: Batch) -> torch.Tensor:
        """Scalar loss of a forward pass; `output.reconstruction` and `batch["image"]` are [N, 1, H, W]."""
        image, drawn = batch["image"], at_least_float32(output.reconstruction)
        terms = {"l1": (image - drawn).abs().mean(), "tv": mean_total_variation(drawn)}
        total = terms["l1"] + terms["tv"]
        if self.perceptual_weight and self.features is not None:
            terms["perceptual"] = perceptual_distance(self.features, drawn, image, self.precision)
            total = total + self.perceptual_weight * terms["perceptual"]
        terms["kl"] = self.latent(output, batch).mean()
        total = total + self.beta * terms["kl"]
        self.terms = {name: value.detach() for name, value in terms.items()}
        return total


class ImageEnergy(Generic[DrawnT]):
    """What restoration descends, of each image: `Σ |x − x̂| + n β KL`, the objective without TV and PL times n pixels.

    Args:
        latent: `(output, batch) -> [N]`, KL of each image, of the output alone. beta: β.
    """

    def __init__(self, latent: Callable[[DrawnT, Batch], torch.Tensor], beta: float) -> None:
        self.latent = latent
        self.beta = beta

    def __call__(self, output: DrawnT, image: torch.Tensor) -> torch.Tensor:
        """Energy [N] of the network's output for `image` [N, 1, H, W]."""
        error = (image - at_least_float32(output.reconstruction)).abs().flatten(1).sum(dim=1)
        return error + image[0].numel() * self.beta * self.latent(output, {})
