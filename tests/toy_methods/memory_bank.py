"""A method without gradients: the distance to the nearest of the patches that normal slices are made of."""

from __future__ import annotations

import torch

from pipeline.attention import enlarge
from pipeline.contracts import Batch, FeatureNetwork
from pipeline.networks import Estimator


class MemoryBank(Estimator):
    """Distance of each position's features to the nearest in a bank of normal ones (Roth et al. 2022).

    Args:
        encoder: its stage's features are compared; it does not learn.
        stage: residual stage of the encoder, 1–4.
        share: of the positions that the bank keeps, drawn at random.
    """

    bank: torch.Tensor

    def __init__(self, encoder: FeatureNetwork, stage: int = 1, share: float = 0.25) -> None:
        super().__init__()
        self.encoder = encoder
        self.stage = stage
        self.share = share
        self.register_buffer("bank", torch.empty(0))

    def partial_fit(self, image: torch.Tensor, batch: Batch) -> None:
        patches = self._features(image).permute(0, 2, 3, 1).flatten(0, 2)
        self.bank = torch.cat([self.bank, patches[torch.rand(len(patches)) < self.share]])

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Distances [N, 1, H, W] of images [N, 1, H, W]."""
        features = self._features(image)
        distance = torch.cdist(features.permute(0, 2, 3, 1).flatten(1, 2), self.bank[None]).amin(dim=2)
        return enlarge(distance.unflatten(1, features.shape[-2:])[:, None], image.shape[-2:])

    def _features(self, image: torch.Tensor) -> torch.Tensor:
        return self.encoder.features(image, up_to=self.stage)[-1]
