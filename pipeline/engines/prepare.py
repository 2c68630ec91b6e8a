"""From a batch of slices to what MONAI's engines hand to network and loss."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from ignite import distributed as idist
from monai.engines import PrepareBatch

from pipeline.contracts import Batch
from pipeline.errors import PipelineError


class PrepareSlices(PrepareBatch):
    """Network input = the image; target = the whole batch on the device, so that losses may use the brain mask.

    Copies to a GPU never make the host wait. The corruption works on the host, before the copy: it reads single numbers
    of the images, each of which would make the host wait, and draws the same numbers whatever the device is.

    Args:
        corruption: `batch -> image`, what the network sees instead; the image of the batch stays the target. None: the
            image itself.
    """

    def __init__(self, corruption: Callable[[Batch], torch.Tensor] | None = None) -> None:
        self.corruption = corruption

    def __call__(
        self,
        batchdata: dict[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, Batch]:
        to_gpu = device is not None and torch.device(device).type == "cuda"
        move = partial(torch.Tensor.to, device=device, non_blocking=non_blocking or to_gpu)
        corrupted = self.corruption(cast(Batch, batchdata)) if self.corruption else None
        tensors = {key: move(value) if isinstance(value, torch.Tensor) else value for key, value in batchdata.items()}
        return tensors["image"] if corrupted is None else move(corrupted), cast(Batch, tensors)


class PrepareScan(PrepareBatch):
    """The slices of a scan, for a `Scorer`: as PrepareSlices, and the heights of the slices as its argument `z`."""

    def __init__(self) -> None:
        self.prepare = PrepareSlices()

    def __call__(
        self,
        batchdata: dict[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, Batch, tuple[()], dict[str, torch.Tensor]]:
        image, batch = self.prepare(batchdata, device, non_blocking, **kwargs)
        return image, batch, (), {"z": batch["z"]}


def share_of_batch(batch_size: int) -> int:
    """Images of a batch that fall to each rank.

    Raises:
        PipelineError: they cannot be shared out evenly.
    """
    world = idist.get_world_size()
    if batch_size % world:
        raise PipelineError(f"batch_size {batch_size} cannot be shared out among {world} processes; take a multiple")
    return batch_size // world
