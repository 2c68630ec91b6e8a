"""Anomaly maps from what a network could not reconstruct."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer
from torch.nn.functional import interpolate

from pipeline.errors import check_choice
from pipeline.inferers.chunks import CHUNK, by_chunks
from pipeline.losses.reconstruction import kl_of_each, negative_elbo

PARTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "absolute": torch.abs,
    "positive": lambda difference: difference.clamp_min(0),
    "signed": lambda difference: difference,
}


def residual_part(name: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """`difference -> map`: `absolute`, `positive` or `signed`; PipelineError for another name."""
    check_choice("part of the residual", name, PARTS)
    return PARTS[name]


class Residual(Inferer):
    """Residual of the reconstruction `x − x̂` (Baur et al. 2019).

    `last_drawn` is x̂ of the latest call.

    Args:
        part: `absolute` `|x − x̂|` in [0, 1], `positive` `max(x − x̂, 0)`, what is brighter than drawn, or `signed`
            `x − x̂` in [−1, 1].
        sample: decode a sample of the latent distribution, as published code does, in place of its mean.
        chunk: slices at work at a time.

    Raises:
        PipelineError: another part.
    """

    def __init__(self, part: str = "absolute", sample: bool = False, chunk: int | None = CHUNK) -> None:
        super().__init__()
        self.sample = sample
        self.part = residual_part(part)
        self.chunk = chunk
        self.last_drawn: torch.Tensor | None = None

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Map [N, 1, H, W] of the slices `inputs` [N, 1, H, W] in [0, 1]; the network is in evaluation mode."""
        drawn = by_chunks(lambda part: self._drawn(part, network), inputs, self.chunk)
        self.last_drawn = drawn.detach()
        return self.part(inputs - drawn)

    def _drawn(self, image: torch.Tensor, network: Any) -> torch.Tensor:
        output = network(image, sample=True) if self.sample else network(image)
        return output.reconstruction.float()


class GradientWeightedResidual(Inferer):
    """Score of the context-encoding VAE (Zimmerer et al. 2019): `|x − x̂| · |∂L/∂x|`.

    Args:
        term: L: `elbo`, the negative lower bound `L_R + KL`, or `kl` alone. chunk: slices at work at a time.

    Raises:
        PipelineError: another term.
    """

    TERMS: dict[str, Callable[..., torch.Tensor]] = {
        "elbo": negative_elbo,
        "kl": lambda output, image: kl_of_each(output.mu, output.logvar),
    }

    def __init__(self, term: str = "elbo", chunk: int | None = CHUNK) -> None:
        super().__init__()
        check_choice("term", term, self.TERMS)
        self.term = self.TERMS[term]
        self.chunk = chunk

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Map [N, 1, H, W] of the slices `inputs` [N, 1, H, W] in [0, 1]; the network is in evaluation mode."""
        return by_chunks(lambda part: self._score(part, network), inputs, self.chunk)

    def _score(self, image: torch.Tensor, network: Any) -> torch.Tensor:
        with torch.enable_grad():
            leaf = image.detach().clone().requires_grad_()
            output = network(leaf)
            gradient = torch.autograd.grad(self.term(output, leaf).sum(), leaf)[0]
        return (image - output.reconstruction.detach().float()).abs() * gradient.abs()


class FeatureResidual(Inferer):
    """Residual of pixels and of critic features, `|x − x̂| + κ mean_k |f_k(x) − f_k(x̂)|` (Schlegl et al. 2019).

    The features are enlarged to the image (bilinear). Schlegl et al. localise with κ = 0 and add the features to the
    score of the whole image; here they may take part in the map.

    Args:
        kappa: κ ≥ 0. chunk: slices at work at a time.
    """

    def __init__(self, kappa: float = 1.0, chunk: int | None = CHUNK) -> None:
        super().__init__()
        self.kappa = kappa
        self.chunk = chunk

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Map [N, 1, H, W] of the slices `inputs` [N, 1, H, W] in [0, 1]; `network.critic` has `features`."""
        return by_chunks(lambda part: self._score(part, network), inputs, self.chunk)

    def _score(self, image: torch.Tensor, network: Any) -> torch.Tensor:
        drawn = network(image).reconstruction.float()
        features = network.critic.features
        difference = (features(image) - features(drawn)).abs().mean(dim=1, keepdim=True)
        return (image - drawn).abs() + self.kappa * interpolate(difference, size=image.shape[-2:], mode="bilinear")
