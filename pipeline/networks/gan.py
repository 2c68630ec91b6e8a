"""Critics: networks that tell real from generated, images or latent vectors."""

from __future__ import annotations

import torch
from torch import nn

from pipeline.errors import PipelineError
from pipeline.networks.autoencoder import REDUCTION, ResNetAutoencoder

WIDTHS = (64, 128, 256, 512)


class ImageCritic(nn.Module):
    """DC-GAN discriminator (Radford et al. 2016): four conv 4×4 of stride 2 with LeakyReLU 0.2, then one linear score.

    Args:
        image_size: H = W, a multiple of 16.
        normalised: batch norm after all but the first convolution, as in DC-GAN. A Wasserstein critic needs False: its
            gradient penalty is one an image, and batch norm would mix the images.

    Raises:
        PipelineError: an image size that is no multiple of 16.
    """

    def __init__(self, image_size: int, normalised: bool = True) -> None:
        super().__init__()
        if image_size <= 0 or image_size % REDUCTION:
            raise PipelineError(f"image_size must be a positive multiple of {REDUCTION}, got {image_size}")
        layers: list[nn.Module] = []
        for index, (inputs, outputs) in enumerate(zip((1, *WIDTHS[:-1]), WIDTHS, strict=True)):
            norm = normalised and index > 0
            layers.append(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=not norm))
            layers += [nn.BatchNorm2d(outputs)] if norm else []
            layers.append(nn.LeakyReLU(0.2))
        self.convolutions = nn.Sequential(*layers)
        self.score = nn.Linear(WIDTHS[-1] * (image_size // REDUCTION) ** 2, 1)

    def features(self, image: torch.Tensor) -> torch.Tensor:
        """Last convolution's output [N, 512, H/16, W/16] for `image` [N, 1, H, W]."""
        return self.convolutions(image)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Scores [N] float32 (no sigmoid); higher is more real. Under autocast only the convolutions are coarser."""
        features = self.features(image).flatten(1)
        with torch.autocast(features.device.type, enabled=False):
            return self.score(features.float())[:, 0]


class LatentCritic(nn.Sequential):
    """Three linear layers with LeakyReLU 0.2: latent vectors [N, d] -> scores [N], higher is more like the prior.

    They are float32 under autocast too: such products are cheap, and bfloat16 would round the scores.
    """

    def __init__(self, latent_size: int, width: int = 256) -> None:
        super().__init__(
            nn.Linear(latent_size, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, 1),
            nn.Flatten(0),
        )

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        with torch.autocast(latent.device.type, enabled=False):
            return super().forward(latent.float())


class FAnoGAN(ResNetAutoencoder):
    """f-AnoGAN (Schlegl et al. 2019): generator = the shared decoder, encoder = the shared encoder, and a critic.

    It is trained in two stages: generator against critic from `z ~ N(0, I)`; then the encoder, the others fixed.

    Args:
        image_size: H = W, a multiple of 16. latent_size: d.
    """

    def __init__(self, image_size: int, latent_size: int) -> None:
        super().__init__(image_size, latent_size, variational=False)
        self.critic = ImageCritic(image_size, normalised=False)

    def generator_parameters(self) -> list[nn.Parameter]:
        return [*self.from_latent.parameters(), *self.decoder.parameters()]

    def encoder_parameters(self) -> list[nn.Parameter]:
        return [*self.stem.parameters(), *self.stages.parameters(), *self.to_mu.parameters()]

    def fix_generator(self) -> None:
        """Generator and critic in evaluation mode, without gradients of their own."""
        for module in (self.from_latent, self.decoder, self.critic):
            module.eval().requires_grad_(False)
