"""Anomaly maps from what a network could not reconstruct."""

from __future__ import annotations

from typing import Any

import torch
from monai.inferers import Inferer


class Residual(Inferer):
    """Absolute residual `|x − x̂|`, in [0, 1] (Baur et al. 2019); the latent mean is decoded, not a sample."""

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Map [N, 1, H, W] of the slices `inputs` [N, 1, H, W] in [0, 1]; the network is in evaluation mode."""
        return (inputs - network(inputs).reconstruction.float()).abs()
