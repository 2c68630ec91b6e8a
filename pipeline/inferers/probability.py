"""Maps of networks whose own output is the map."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pipeline.contracts import Detector, Scored
from pipeline.inferers.chunks import CHUNK, by_chunks


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
class NetworkMap:
    """`network(x)`: the network returns the map itself, [N, 1, H, W].

    Args:
        chunk: slices at work at a time; None takes all at once.

    Example:
        >>> NetworkMap()(torch.tensor([[[[0.5, 1.0]]]]), torch.square).map.tolist()
        [[[[0.25, 1.0]]]]
    """

    chunk: int | None = CHUNK

    def __call__(self, inputs: torch.Tensor, network: Detector) -> Scored:
        """Map of the slices `inputs` [N, 1, H, W] in [0, 1]; the network is in evaluation mode."""
        return Scored(by_chunks(lambda part: network(part).float(), inputs, self.chunk))
