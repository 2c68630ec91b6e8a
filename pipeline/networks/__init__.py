"""Networks and their weights."""

from pipeline.networks.autoencoder import AutoencoderOutput, ResNetAutoencoder
from pipeline.networks.batch_norm import twice_differentiable
from pipeline.networks.gan import FAnoGAN, ImageCritic, LatentCritic
from pipeline.networks.weights import load_weights

__all__ = [
    "AutoencoderOutput",
    "FAnoGAN",
    "ImageCritic",
    "LatentCritic",
    "ResNetAutoencoder",
    "load_weights",
    "twice_differentiable",
]
