"""Anomaly maps read from an encoder's attention."""

from __future__ import annotations

from typing import Any

import torch
from monai.inferers import Inferer

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
from pipeline.errors import check_choice
from pipeline.inferers.chunks import by_chunks

CHUNK = 16
NORMALISATIONS = ("minmax", *ACTIVATIONS)


class ActivationMap(Inferer):
    """The raw activation map of one residual stage (Silva-Rodríguez 2022, Eq. 6), itself not normalised.

    Args:
        stage: residual stage of the encoder, 1–4. chunk: slices at work at a time.
        normalisation: of the channels before their mean: `none` or `instance`, see `pipeline.attention.activation_map`.
    """

    def __init__(self, stage: int = 1, chunk: int | None = CHUNK, normalisation: str = "none") -> None:
        super().__init__()
        check_choice("attention stage", stage, STAGES)
        check_choice("channel normalisation", normalisation, CHANNEL_NORMALISATIONS)
        self.stage = stage
        self.normalisation = normalisation
        self.chunk = chunk

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Map [N, 1, H, W] of the slices `inputs` [N, 1, H, W] in [0, 1]."""
        return by_chunks(lambda part: self._map(part, network), inputs, self.chunk)

    def _map(self, image: torch.Tensor, network: Any) -> torch.Tensor:
        features = network.features(image, up_to=self.stage)[-1]
        return activation_map(features, image.shape[-2:], normalisation=self.normalisation)


class GradCAM(Inferer):
    """Grad-CAM of the latent means (Silva-Rodríguez 2022, Eq. 2 and section 3.6), also under `torch.no_grad()`.

    Args:
        stage: residual stage of the encoder, 1–4.
        weighting: `gradients` or `none`, see `pipeline.attention.grad_cam`.
        normalisation: `minmax` of each slice in place of the sigmoid (section 3.6), `sigmoid` or `none`.
        invert: `1 − map`: normal is what attention covers (Venkataramanan et al. 2020).
        chunk: slices at work at a time.
    """

    def __init__(
        self,
        stage: int = 1,
        weighting: str = "gradients",
        normalisation: str = "minmax",
        invert: bool = False,
        chunk: int | None = CHUNK,
    ) -> None:
        super().__init__()
        check_choice("attention stage", stage, STAGES)
        check_choice("weighting", weighting, WEIGHTINGS)
        check_choice("normalisation", normalisation, NORMALISATIONS)
        self.stage = stage
        self.weighting = weighting
        self.normalisation = normalisation
        self.invert = invert
        self.chunk = chunk

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Map [N, 1, H, W] of the slices `inputs` [N, 1, H, W] in [0, 1]; the network is in evaluation mode."""
        return by_chunks(lambda part: self._map(part, network), inputs, self.chunk)

    def _map(self, image: torch.Tensor, network: Any) -> torch.Tensor:
        activation = "sigmoid" if self.normalisation == "sigmoid" else "none"
        with torch.enable_grad():
            mu, _, features = network.encode(image)
            attention = grad_cam(features[self.stage - 1], mu, image.shape[-2:], self.weighting, activation).detach()
        attention = min_max(attention) if self.normalisation == "minmax" else attention
        return 1 - attention if self.invert else attention


class LatentGradCAM(Inferer):
    """Mean of the Grad-CAMs of the single latent dimensions (Liu et al. 2020), also under `torch.no_grad()`.

    Args:
        stage: residual stage of the encoder, 1–4. chunk: slices at work at a time.
    """

    def __init__(self, stage: int = 1, chunk: int | None = CHUNK) -> None:
        super().__init__()
        check_choice("attention stage", stage, STAGES)
        self.stage = stage
        self.chunk = chunk

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Map [N, 1, H, W] of the slices `inputs` [N, 1, H, W] in [0, 1]; the network is in evaluation mode."""
        return by_chunks(lambda part: self._map(part, network), inputs, self.chunk)

    def _map(self, image: torch.Tensor, network: Any) -> torch.Tensor:
        with torch.enable_grad():
            mu, _, features = network.encode(image)
            return latent_grad_cam(features[self.stage - 1], mu, image.shape[-2:]).detach()
