"""Networks and their weights."""

from pipeline.networks.autoencoder import AutoencoderOutput, ResNetAutoencoder
from pipeline.networks.weights import load_weights

__all__ = ["AutoencoderOutput", "ResNetAutoencoder", "load_weights"]
