"""The forward passes of f-AnoGAN's two stages of training."""

from __future__ import annotations

from typing import Any

import torch

from pipeline.inferers.precision import Forward
from pipeline.networks.autoencoder import AutoencoderOutput
from pipeline.precision import autocast


class Generate(Forward):
    """Images from the prior: decodes `z ~ N(0, I)`, as many as there are inputs; the inputs are not looked at."""

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> Any:
        z = torch.randn(len(inputs), network.to_mu.out_features, device=inputs.device)
        with autocast(self.precision, inputs.device):
            return AutoencoderOutput(network.decode(z), z, None, ())


class EncodeToFixedGenerator(Forward):
    """Forward pass that trains the encoder alone: generator and critic are fixed, in evaluation mode."""

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> Any:
        network.fix_generator()
        return super().__call__(inputs, network, *args, **kwargs)
