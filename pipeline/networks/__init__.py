"""Networks and their weights."""

from pipeline.networks.autoencoder import AutoencoderOutput, ResNetAutoencoder
from pipeline.networks.gan import FAnoGAN, ImageCritic, LatentCritic
from pipeline.networks.weights import load_weights

__all__ = ["AutoencoderOutput", "FAnoGAN", "ImageCritic", "LatentCritic", "ResNetAutoencoder", "load_weights"]
