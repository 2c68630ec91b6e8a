"""Maps of networks that were told what a lesion is."""

from __future__ import annotations

from typing import Any

import torch
from monai.inferers import Inferer

from pipeline.inferers.chunks import by_chunks


class Probability(Inferer):
    """`sigmoid(network(x))`, the probability of a lesion, in [0, 1].

    Args:
        chunk: slices at work at a time.
    """

    def __init__(self, chunk: int | None = 32) -> None:
        super().__init__()
        self.chunk = chunk

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Map [N, 1, H, W] of the slices `inputs` [N, 1, H, W] in [0, 1]; the network is in evaluation mode."""
        return by_chunks(lambda part: network(part).float().sigmoid(), inputs, self.chunk)
