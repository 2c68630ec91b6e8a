"""From a batch of normal slices to corrupted ones and the degree of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from monai.engines import PrepareBatch

from pipeline.contracts import Batch
from pipeline.engines.prepare import PrepareSlices
from pipeline.painting import GradualCorruption


class PrepareCorruptedSlices(PrepareBatch):
    """Network input = the corrupted slice and its `degree` [N]; the target batch holds the slice as it was.

    Corrupting happens on the host. All draws follow from torch's generator, so that an interrupted training goes on
    with the same ones.

    Args:
        corruption: corrupts one slice.
    """

    def __init__(self, corruption: GradualCorruption) -> None:
        self.corruption = corruption
        self.prepare = PrepareSlices()

    def __call__(
        self,
        batchdata: dict[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, Batch, tuple[()], dict[str, torch.Tensor]]:
        rng = np.random.default_rng(int(torch.randint(2**62, ())))
        slices = zip(*(batchdata[name][:, 0].numpy() for name in ("image", "brain")), strict=True)
        corrupted = [self.corruption(rng, *slice_) for slice_ in slices]
        image = torch.from_numpy(np.stack([one.image for one in corrupted])).float()[:, None]
        degree = torch.tensor([one.degree for one in corrupted])
        _, batch = self.prepare(batchdata, device, non_blocking, **kwargs)
        return image.to(device), batch, (), {"degree": degree.to(device)}
