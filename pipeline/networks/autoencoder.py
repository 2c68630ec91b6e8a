"""The ResNet-18 auto-encoders that all methods of Silva-Rodríguez et al. 2022 (section 4.3) share."""

from __future__ import annotations

from typing import NamedTuple

import torch
from monai.networks.nets.resnet import ResNetBlock
from torch import nn

from pipeline.errors import PipelineError

ENCODER_CHANNELS = (64, 128, 256, 512)
DECODER_CHANNELS = (256, 128, 64, 32, 16)
REDUCTION = 16


class AutoencoderOutput(NamedTuple):
    """What a forward pass returns.

    logits: [N, 1, H, W], the reconstruction before its sigmoid. mu, logvar: [N, d] (logvar is None for an AE).
    features: the outputs of the four residual stages, after their ReLU; stage s (1–4) is `features[s - 1]`,
    [N, 64·2^(s-1), H/2^s, W/2^s].
    """

    logits: torch.Tensor
    mu: torch.Tensor
    logvar: torch.Tensor | None
    features: tuple[torch.Tensor, ...]

    @property
    def reconstruction(self) -> torch.Tensor:
        """The reconstruction in [0, 1], [N, 1, H, W]."""
        return torch.sigmoid(self.logits)


class DecoderBlock(nn.Module):
    """Residual block of the decoder, up-sampling by two or plain; its convolutions have biases.

    up: conv3×3 → nearest ×2 → BN → ReLU → conv3×3 → BN, skip = conv1×1 → nearest ×2 → BN; plain: the same
    without the nearest ×2, skip = identity. Sum, then ReLU.
    """

    def __init__(self, inputs: int, outputs: int, up: bool) -> None:
        super().__init__()
        enlarge = [nn.Upsample(scale_factor=2)] if up else []
        self.residual = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1),
            *enlarge,
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
        )
        skip = nn.Sequential(nn.Conv2d(inputs, outputs, 1), *enlarge, nn.BatchNorm2d(outputs))
        self.skip = skip if up else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.residual(x) + self.skip(x))


def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    downsample = None
    if stride != 1:
        downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    first = ResNetBlock(inputs, outputs, spatial_dims=2, stride=stride, downsample=downsample)
    return nn.Sequential(first, ResNetBlock(outputs, outputs, spatial_dims=2))


class ResNetAutoencoder(nn.Module):
    """ResNet-18 encoder without max-pool, dense latent space, residual decoder; output = logits.

    Encoder 17,592,704 and decoder 2,682,273 parameters at 224 px, d = 32 (variational).

    Args:
        image_size: H = W, a multiple of 16.
        latent_size: d, number of latent dimensions.
        variational: two linear heads (mu, log-variance) and a sampled z while training; else one head.
        dropout: share of units dropped after every encoder and decoder stage while its layer is in training mode.

    Raises:
        PipelineError: an image size that is no multiple of 16, or a dropout outside [0, 1).
    """

    def __init__(
        self, image_size: int = 224, latent_size: int = 32, variational: bool = True, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if image_size <= 0 or image_size % REDUCTION:
            raise PipelineError(f"image_size must be a positive multiple of {REDUCTION}, got {image_size}")
        if not 0 <= dropout < 1:
            raise PipelineError(f"dropout must be in [0, 1), got {dropout}")
        self.grid = image_size // REDUCTION
        self.stem = nn.Conv2d(1, ENCODER_CHANNELS[0], 7, stride=2, padding=3, bias=False)
        widths = (ENCODER_CHANNELS[0], *ENCODER_CHANNELS)
        self.stages = nn.ModuleList(
            _stage(before, after, 1 if index == 0 else 2)
            for index, (before, after) in enumerate(zip(widths, widths[1:], strict=False))
        )
        flat = ENCODER_CHANNELS[-1] * self.grid**2
        self.to_mu = nn.Linear(flat, latent_size)
        self.to_logvar = nn.Linear(flat, latent_size) if variational else None
        self.from_latent = nn.Linear(latent_size, DECODER_CHANNELS[0] * self.grid**2)
        pairs = zip(DECODER_CHANNELS, DECODER_CHANNELS[1:], strict=False)
        blocks = [nn.Sequential(DecoderBlock(a, b, up=True), DecoderBlock(b, b, up=False)) for a, b in pairs]
        self.decoder = nn.Sequential(*blocks, nn.Conv2d(DECODER_CHANNELS[-1], 1, 3, padding=1))
        self.dropout = nn.Dropout(dropout)

    @property
    def latent_size(self) -> int:
        """d."""
        return self.to_mu.out_features

    def features(self, image: torch.Tensor, up_to: int = len(ENCODER_CHANNELS)) -> tuple[torch.Tensor, ...]:
        """Outputs of the residual stages 1 to `up_to` for `image` [N, 1, H, W]; later ones are not computed."""
        x = self.stem(image)
        outputs = []
        for stage in self.stages[:up_to]:
            x = self.dropout(stage(x))
            outputs.append(x)
        return tuple(outputs)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Logits [N, 1, H, W] of latent vectors `z` [N, d]."""
        x = self.from_latent(z).reshape(len(z), -1, self.grid, self.grid)
        *blocks, to_logits = self.decoder
        for block in blocks:
            x = self.dropout(block(x))
        return to_logits(x)

    def encode(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, tuple[torch.Tensor, ...]]:
        """mu, logvar (None for an AE) and features, as in AutoencoderOutput, of `image` [N, 1, H, W]."""
        features = self.features(image)
        flat = features[-1].flatten(1)
        return self.to_mu(flat), None if self.to_logvar is None else self.to_logvar(flat), features

    def forward(self, image: torch.Tensor, sample: bool | None = None) -> AutoencoderOutput:
        """Encode and decode `image` [N, 1, H, W]; `sample` z or decode its mean (None: sample while training)."""
        mu, logvar, features = self.encode(image)
        z = mu
        if logvar is not None and (self.training if sample is None else sample):
            z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
        return AutoencoderOutput(self.decode(z), mu, logvar, features)
