"""Distance of an image from an ensemble of its reconstructions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from pipeline.contracts import Scored
from pipeline.errors import PipelineError
from pipeline.inferers.monte_carlo import Passes
from pipeline.inferers.residual import PARTS, check_part


@dataclass(frozen=True)
class Mahalanobis:
    """`part(m)² / ((1 − s) v + s v̄)`, m and v mean and variance of `x − x̂` over passes, v̄ the mean of v in the brain.

    Where reconstructions scatter, a residual counts for less. The variance of few passes is rough, so it is shrunk
    towards that of the volume's brain, which is where the image is positive.

    Args:
        passes: ≥ 2.
        shrinkage: s, in (0, 1].
        part: of m, see `PARTS`.
        sample: whether each pass also samples the latent vector; needs a network that takes `sample`.
        images: slices × passes in one forward pass.
        seed: of the draws; the caller's random state is left alone.
        precision: of the network, see Forward.

    Raises:
        PipelineError: fewer than two passes, another shrinkage or part, or a network that answers the same each time.

    Source: Behrendt et al. 2024, arXiv:2407.12474, with the covariance of a pixel alone.

    Example:
        >>> from pipeline.networks import ResNetAutoencoder
        >>> network = ResNetAutoencoder(image_size=16, latent_size=4, dropout=0.2).eval()
        >>> distance = Mahalanobis(passes=4)(torch.rand(2, 1, 16, 16), network).map
        >>> distance.shape, bool((distance >= 0).all())
        (torch.Size([2, 1, 16, 16]), True)
    """

    passes: int = 20
    shrinkage: float = 0.5
    part: str = "absolute"
    sample: bool = False
    images: int = 32
    seed: int = 0
    precision: str = "fp32"

    def __post_init__(self) -> None:
        check_part(self.part)
        if self.passes < 2 or not 0 < self.shrinkage <= 1:
            found = f"{self.passes} and {self.shrinkage}"
            raise PipelineError(f"an ensemble needs at least 2 passes and a shrinkage in (0, 1], got {found}")

    def __call__(self, inputs: torch.Tensor, network: nn.Module) -> Scored:
        """Map and mean x̂ of the slices `inputs` [N, 1, H, W] in [0, 1]; the network returns `logits`."""
        passes = Passes(self.passes, self.sample, self.images, self.seed, self.precision)
        mean, deviation = passes.moments(inputs, network, torch.sub)
        brain = inputs > 0
        typical = deviation[brain].square().mean() if brain.any() else deviation.new_zeros(())
        variance = (1 - self.shrinkage) * deviation.square() + self.shrinkage * typical
        return Scored(PARTS[self.part](mean).square() / variance.clamp_min(1e-12) * brain, inputs - mean)
