"""Maps of networks whose own output is the map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from pipeline.contracts import Detector, MapInferer, PlacedDetector, Scored
from pipeline.inferers.chunks import CHUNK, by_chunks
from pipeline.inferers.smoothing import check_sigma, smooth_volume
from pipeline.precision import autocast


@dataclass(frozen=True)
class Probability:
    """`sigmoid(network(x))`, the probability of a lesion, in [0, 1].

    Args:
        chunk: slices at work at a time; None takes all at once.

    Example:
        >>> Probability()(torch.tensor([[[[0.5, 1.0]]]]), lambda image: 4 * image - 2).map.round(decimals=2).tolist()
        [[[[0.5, 0.8799999952316284]]]]
    """

    chunk: int | None = CHUNK

    def __call__(self, inputs: torch.Tensor, network: Detector) -> Scored:
        """Map of the slices `inputs` [N, 1, H, W] in [0, 1]; the network is in evaluation mode."""
        return Scored(by_chunks(lambda part: network(part).float().sigmoid(), inputs, self.chunk))


@dataclass(frozen=True)
class MirroredProbability:
    """`G ∗ sigmoid(½ (f(x) + mirror f(mirror x)))`, f the network's logits for slices whose place it knows, in [0, 1].

    Rows are the axis from left to right. The Gaussian G works in the volume that the slices make, within the brain,
    which is where the image is positive.

    Args:
        sigma_mm: standard deviation of the Gaussian along the rows, the columns and the slices in mm; None = none.
        spacing_mm: size of a voxel along the rows, the columns and the slices in mm.
        chunk: slices at work at a time; None takes all at once.
        precision: of the network's passes, see `pipeline.precision`.

    Raises:
        PipelineError: negative sigma.

    Example:
        >>> slices = torch.tensor([[[[0.2], [0.8]]]])
        >>> MirroredProbability().at(torch.tensor([70]))(slices, lambda image, z: image - 0.2).map.flatten()
        tensor([0.5000, 0.6457])
    """

    sigma_mm: Sequence[float] | None = None
    spacing_mm: Sequence[float] = (1.0, 1.0, 1.0)
    chunk: int | None = CHUNK
    precision: str = "fp32"

    def __post_init__(self) -> None:
        check_sigma(*(self.sigma_mm or ()))

    def at(self, z: torch.Tensor) -> MapInferer[PlacedDetector]:
        """The map of slices at the heights z [N] of the atlas; the network is in evaluation mode."""

        def score(inputs: torch.Tensor, network: PlacedDetector) -> Scored:
            size = self.chunk or max(len(inputs), 1)
            parts = zip(inputs.split(size), z.split(size), strict=True)
            found = torch.cat([self._logits(*part, network) for part in parts]).sigmoid()
            return Scored(smooth_volume(found, inputs > 0, self.sigma_mm, self.spacing_mm))

        return score

    def _logits(self, image: torch.Tensor, z: torch.Tensor, network: PlacedDetector) -> torch.Tensor:
        with autocast(self.precision, image.device):
            return (network(image, z).float() + network(image.flip(2), z).float().flip(2)) / 2


@dataclass(frozen=True)
class NetworkMap:
    """`G ∗ network(x)`: the network returns the map itself, [N, 1, H, W].

    The Gaussian G works in the volume that the slices make, within the brain, which is where the image is positive.

    Args:
        chunk: slices at work at a time; None takes all at once.
        sigma_mm: standard deviation of G along the rows, the columns and the slices in mm; None = none.
        spacing_mm: size of a voxel along the rows, the columns and the slices in mm.

    Raises:
        PipelineError: negative sigma.

    Example:
        >>> NetworkMap()(torch.tensor([[[[0.5, 1.0]]]]), torch.square).map.tolist()
        [[[[0.25, 1.0]]]]
    """

    chunk: int | None = CHUNK
    sigma_mm: Sequence[float] | None = None
    spacing_mm: Sequence[float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        check_sigma(*(self.sigma_mm or ()))

    def __call__(self, inputs: torch.Tensor, network: Detector) -> Scored:
        """Map of the slices `inputs` [N, 1, H, W] in [0, 1]; the network is in evaluation mode."""
        found = by_chunks(lambda part: network(part).float(), inputs, self.chunk)
        return Scored(smooth_volume(found, inputs > 0, self.sigma_mm, self.spacing_mm))
