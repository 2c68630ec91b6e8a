"""Anomaly maps read from an encoder's attention."""

from __future__ import annotations

from typing import Any

import torch
from monai.inferers import Inferer

from pipeline.attention import activation_map


class ActivationMap(Inferer):
    """The raw activation map of one residual stage (Silva-Rodríguez 2022, Eq. 6), not normalised.

    Args:
        stage: residual stage of the encoder, 1–4.
    """

    def __init__(self, stage: int = 1) -> None:
        super().__init__()
        self.stage = stage

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Map [N, 1, H, W] of the slices `inputs` [N, 1, H, W] in [0, 1]."""
        return activation_map(network.features(inputs)[self.stage - 1], (inputs.shape[-2], inputs.shape[-1]))
