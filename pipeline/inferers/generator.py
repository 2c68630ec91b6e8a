"""The forward passes of f-AnoGAN's two stages of training."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pipeline.contracts import Generator
from pipeline.inferers.precision import Forward
from pipeline.networks.autoencoder import AutoencoderOutput
from pipeline.networks.gan import FAnoGAN
from pipeline.precision import autocast


@dataclass(frozen=True)
class Generate:
    """Images from the prior: decodes `z ~ N(0, I)`, as many as there are inputs; the inputs are not looked at.

    Args:
        precision: of the network, see Forward.

    Example:
        >>> from pipeline.networks import FAnoGAN
        >>> images = torch.rand(2, 1, 32, 32)
        >>> drawn = Generate(precision="fp32")(images, FAnoGAN(image_size=32, latent_size=4))
        >>> drawn.reconstruction.shape, drawn.mu.shape
        (torch.Size([2, 1, 32, 32]), torch.Size([2, 4]))
    """

    precision: str = "auto"

    def __call__(self, inputs: torch.Tensor, network: Generator) -> AutoencoderOutput:
        """The generated images, and the latent vectors that they were drawn from."""
        z = torch.randn(len(inputs), network.latent_size, device=inputs.device)
        with autocast(self.precision, inputs.device):
            return AutoencoderOutput(network.decode(z), z, None, ())


@dataclass(frozen=True)
class EncodeToFixedGenerator:
    """Forward pass that trains the encoder alone: generator and critic are fixed, in evaluation mode.

    Args:
        precision: of the network, see Forward.

    Example:
        >>> from pipeline.networks import FAnoGAN
        >>> network = FAnoGAN(image_size=32, latent_size=4)
        >>> output = EncodeToFixedGenerator(precision="fp32")(torch.rand(2, 1, 32, 32), network)
        >>> output.reconstruction.sum().backward()
        >>> learning = [name for name, weight in network.named_parameters() if weight.grad is not None]
        >>> sorted({name.split(".")[0] for name in learning})  # the encoder alone
        ['stages', 'stem', 'to_mu']
    """

    precision: str = "auto"

    def __call__(self, inputs: torch.Tensor, network: FAnoGAN) -> AutoencoderOutput:
        """What the network draws of `inputs` [N, 1, H, W]."""
        network.fix_generator()
        return Forward(self.precision)(inputs, network)
