"""Anomaly maps read from an encoder's attention."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pipeline.attention import (
    ACTIVATIONS,
    CHANNEL_NORMALISATIONS,
    STAGES,
    WEIGHTINGS,
    activation_map,
    grad_cam,
    latent_grad_cam,
    min_max,
)
from pipeline.contracts import Encoder, FeatureNetwork, Scored
from pipeline.errors import check_choice
from pipeline.inferers.chunks import by_chunks

CHUNK = 16
NORMALISATIONS = ("minmax", *ACTIVATIONS)


@dataclass(frozen=True)
class ActivationMap:
    """The raw activation map of one residual stage, itself not normalised.

    Args:
        stage: residual stage of the encoder, 1 to 4.
        chunk: slices at work at a time; None takes all at once.
        normalisation: of the channels before their mean: `none` or `instance`, see `pipeline.attention.activation_map`.

    Raises:
        PipelineError: another stage or normalisation.

    Source: Silva-Rodríguez et al. 2022, Eq. 6.

    Example:
        The map is the mean of the channels, here of a network whose only stage has the channels x and 3 x.

        >>> from types import SimpleNamespace
        >>> network = SimpleNamespace(features=lambda image, up_to: (torch.cat([image, 3 * image], dim=1),))
        >>> ActivationMap(stage=1)(torch.tensor([[[[0.0, 0.25], [0.5, 1.0]]]]), network).map.flatten().tolist()
        [0.0, 0.5, 1.0, 2.0]
    """

    stage: int = 1
    chunk: int | None = CHUNK
    normalisation: str = "none"

    def __post_init__(self) -> None:
        check_choice("attention stage", self.stage, STAGES)
        check_choice("channel normalisation", self.normalisation, CHANNEL_NORMALISATIONS)

    def __call__(self, inputs: torch.Tensor, network: FeatureNetwork) -> Scored:
        """Map of the slices `inputs` [N, 1, H, W] in [0, 1]."""
        return Scored(by_chunks(lambda part: self._map(part, network), inputs, self.chunk))

    def _map(self, image: torch.Tensor, network: FeatureNetwork) -> torch.Tensor:
        features = network.features(image, up_to=self.stage)[-1]
        return activation_map(features, image.shape[-2:], normalisation=self.normalisation)


@dataclass(frozen=True)
class GradCAM:
    """Grad-CAM of the latent means, also under `torch.no_grad()`.

    Args:
        stage: residual stage of the encoder, 1 to 4.
        weighting: `gradients` or `none`, see `pipeline.attention.grad_cam`.
        normalisation: `minmax` of each slice in place of the sigmoid (section 3.6), `sigmoid` or `none`.
        invert: `1 − map`: normal is what attention covers (Venkataramanan et al. 2020).
        chunk: slices at work at a time; None takes all at once.

    Raises:
        PipelineError: another stage, weighting or normalisation.

    Source: Silva-Rodríguez et al. 2022, Eq. 2 and section 3.6.

    Example:
        >>> from pipeline.networks import ResNetAutoencoder
        >>> network, slices = ResNetAutoencoder(image_size=16, latent_size=4).eval(), torch.rand(3, 1, 16, 16)
        >>> with torch.no_grad():
        ...     found = GradCAM(stage=1)(slices, network).map
        >>> found.amin((1, 2, 3)).tolist(), found.amax((1, 2, 3)).tolist()  # of each slice
        ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0])
    """

    stage: int = 1
    weighting: str = "gradients"
    normalisation: str = "minmax"
    invert: bool = False
    chunk: int | None = CHUNK

    def __post_init__(self) -> None:
        check_choice("attention stage", self.stage, STAGES)
        check_choice("weighting", self.weighting, WEIGHTINGS)
        check_choice("normalisation", self.normalisation, NORMALISATIONS)

    def __call__(self, inputs: torch.Tensor, network: Encoder) -> Scored:
        """Map of the slices `inputs` [N, 1, H, W] in [0, 1]; the network is in evaluation mode."""
        return Scored(by_chunks(lambda part: self._map(part, network), inputs, self.chunk))

    def _map(self, image: torch.Tensor, network: Encoder) -> torch.Tensor:
        activation = "sigmoid" if self.normalisation == "sigmoid" else "none"
        with torch.enable_grad():
            mu, _, features = network.encode(image)
            attention = grad_cam(features[self.stage - 1], mu, image.shape[-2:], self.weighting, activation).detach()
        attention = min_max(attention) if self.normalisation == "minmax" else attention
        return 1 - attention if self.invert else attention


@dataclass(frozen=True)
class LatentGradCAM:
    """Mean of the Grad-CAMs of the single latent dimensions, also under `torch.no_grad()`.

    Args:
        stage: residual stage of the encoder, 1 to 4.
        chunk: slices at work at a time; None takes all at once.

    Raises:
        PipelineError: another stage.

    Source: Liu et al. 2020.

    Example:
        >>> from pipeline.networks import ResNetAutoencoder
        >>> network, slices = ResNetAutoencoder(image_size=16, latent_size=4).eval(), torch.rand(3, 1, 16, 16)
        >>> found = LatentGradCAM(stage=1)(slices, network).map
        >>> found.shape, bool(found.min() >= 0)
        (torch.Size([3, 1, 16, 16]), True)
    """

    stage: int = 1
    chunk: int | None = CHUNK

    def __post_init__(self) -> None:
        check_choice("attention stage", self.stage, STAGES)

    def __call__(self, inputs: torch.Tensor, network: Encoder) -> Scored:
        """Map of the slices `inputs` [N, 1, H, W] in [0, 1]; the network is in evaluation mode."""
        return Scored(by_chunks(lambda part: self._map(part, network), inputs, self.chunk))

    def _map(self, image: torch.Tensor, network: Encoder) -> torch.Tensor:
        with torch.enable_grad():
            mu, _, features = network.encode(image)
            return latent_grad_cam(features[self.stage - 1], mu, image.shape[-2:]).detach()
