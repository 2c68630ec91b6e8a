"""Anomaly maps from what a network could not reconstruct."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import interpolate

from pipeline.contracts import (
    BernoulliReconstructor,
    CriticisedReconstructor,
    DrawnLogits,
    SamplingReconstructor,
    Scored,
)
from pipeline.errors import check_choice
from pipeline.inferers.chunks import CHUNK, scored_by_chunks
from pipeline.inferers.smoothing import check_sigma, smooth_volume
from pipeline.losses import drawn_image
from pipeline.losses.reconstruction import kl_of_each, negative_elbo

PARTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "absolute": torch.abs,
    "positive": lambda difference: difference.clamp_min(0),
    "signed": lambda difference: difference,
}


def check_part(name: str) -> None:
    """Refuse a name that is not in `PARTS`.

    Args:
        name: `absolute`, `positive` or `signed`.

    Raises:
        PipelineError: another name; the message lists the choices.

    Example:
        >>> check_part("negative")
        Traceback (most recent call last):
        pipeline.errors.PipelineError: unknown part of the residual 'negative'; available: absolute, positive, signed
    """
    check_choice("part of the residual", name, PARTS)


@dataclass(frozen=True)
class Residual:
    """Residual of the reconstruction `x − x̂`.

    Args:
        part: `absolute` `|x − x̂|` in [0, 1], `positive` `max(x − x̂, 0)`, what is brighter than drawn, or `signed`
            `x − x̂` in [−1, 1].
        sample: decode a sample of the latent distribution, as published code does, in place of its mean.
        chunk: slices at work at a time; None takes all at once.
        sigma_mm: standard deviation of a Gaussian on the map along the rows, the columns and the slices in mm, within
            the brain, which is where the image is positive; None = none.
        spacing_mm: size of a voxel along the rows, the columns and the slices in mm.

    Raises:
        PipelineError: another part, or negative sigma.

    Source: Baur et al. 2019.

    Example:
        >>> from types import SimpleNamespace
        >>> mean_brain = lambda image: SimpleNamespace(reconstruction=torch.full_like(image, 0.5))
        >>> scored = Residual("positive")(torch.tensor([[[[0.0, 0.5, 0.75]]]]), mean_brain)
        >>> scored.map.flatten().tolist()
        [0.0, 0.0, 0.25]
    """

    part: str = "absolute"
    sample: bool = False
    chunk: int | None = CHUNK
    sigma_mm: Sequence[float] | None = None
    spacing_mm: Sequence[float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        check_part(self.part)
        check_sigma(*(self.sigma_mm or ()))

    def __call__(self, inputs: torch.Tensor, network: SamplingReconstructor) -> Scored:
        """Map and x̂ of the slices `inputs` [N, 1, H, W] in [0, 1]; the network is in evaluation mode."""
        scored = scored_by_chunks(lambda image: self._score(image, network), inputs, self.chunk)
        return scored._replace(map=smooth_volume(scored.map, inputs > 0, self.sigma_mm, self.spacing_mm))

    def _score(self, image: torch.Tensor, network: SamplingReconstructor) -> Scored:
        output = network(image, sample=True) if self.sample else network(image)
        drawn = drawn_image(output).float()
        return Scored(PARTS[self.part](image - drawn), drawn)


TERMS: dict[str, Callable[[DrawnLogits, torch.Tensor], torch.Tensor]] = {
    "elbo": negative_elbo,
    "kl": lambda output, image: kl_of_each(output.mu, output.logvar),
}


@dataclass(frozen=True)
class GradientWeightedResidual:
    """Score of the context-encoding VAE: `|x − x̂| · |∂L/∂x|`.

    Args:
        term: L: `elbo`, the negative lower bound `L_R + KL`, or `kl` alone.
        chunk: slices at work at a time; None takes all at once.

    Raises:
        PipelineError: another term.

    Source: Zimmerer et al. 2019.

    Example:
        >>> from pipeline.networks import ResNetAutoencoder
        >>> network = ResNetAutoencoder(image_size=16, latent_size=4, variational=True).eval()
        >>> slices = torch.rand(2, 1, 16, 16)
        >>> scored = GradientWeightedResidual()(slices, network)
        >>> torch.equal(scored.map > 0, (slices - scored.reconstruction) != 0)
        True
    """

    term: str = "elbo"
    chunk: int | None = CHUNK

    def __post_init__(self) -> None:
        check_choice("term", self.term, TERMS)

    def __call__(self, inputs: torch.Tensor, network: BernoulliReconstructor) -> Scored:
        """Map and x̂ of the slices `inputs` [N, 1, H, W] in [0, 1]; the network is in evaluation mode."""
        return scored_by_chunks(lambda image: self._score(image, network), inputs, self.chunk)

    def _score(self, image: torch.Tensor, network: BernoulliReconstructor) -> Scored:
        with torch.enable_grad():
            leaf = image.detach().clone().requires_grad_()
            output = network(leaf)
            gradient = torch.autograd.grad(TERMS[self.term](output, leaf).sum(), leaf)[0]
        drawn = output.reconstruction.detach().float()
        return Scored((image - drawn).abs() * gradient.abs(), drawn)


@dataclass(frozen=True)
class FeatureResidual:
    """Residual of pixels and of critic features, `|x − x̂| + κ mean_k |f_k(x) − f_k(x̂)|`.

    The features are enlarged to the image (bilinear). Schlegl et al. localise with κ = 0 and add the features to the
    score of the whole image; here they may take part in the map.

    Args:
        kappa: κ ≥ 0.
        chunk: slices at work at a time; None takes all at once.

    Source: Schlegl et al. 2019.

    Example:
        >>> from pipeline.networks import FAnoGAN
        >>> network, slices = FAnoGAN(image_size=32, latent_size=4).eval(), torch.rand(2, 1, 32, 32)
        >>> pixels, both = FeatureResidual(kappa=0.0)(slices, network), FeatureResidual(kappa=1.0)(slices, network)
        >>> torch.equal(pixels.map, (slices - pixels.reconstruction).abs()), bool((both.map >= pixels.map).all())
        (True, True)
    """

    kappa: float = 1.0
    chunk: int | None = CHUNK

    def __call__(self, inputs: torch.Tensor, network: CriticisedReconstructor) -> Scored:
        """Map and x̂ of the slices `inputs` [N, 1, H, W] in [0, 1]; the network is in evaluation mode."""
        return scored_by_chunks(lambda image: self._score(image, network), inputs, self.chunk)

    def _score(self, image: torch.Tensor, network: CriticisedReconstructor) -> Scored:
        drawn = network(image).reconstruction.float()
        features = network.critic.features
        difference = (features(image) - features(drawn)).abs().mean(dim=1, keepdim=True)
        enlarged = interpolate(difference, size=image.shape[-2:], mode="bilinear")
        return Scored((image - drawn).abs() + self.kappa * enlarged, drawn)
