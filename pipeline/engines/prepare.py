"""From a batch of slices to what MONAI's engines hand to network and loss."""

from __future__ import annotations

from typing import Any

import torch
from monai.engines import PrepareBatch


class PrepareSlices(PrepareBatch):
    """Network input = the image; target = the whole batch on the device, so that losses may use the brain mask."""

    def __call__(
        self,
        batchdata: dict[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        tensors = {
            key: value.to(device=device, non_blocking=non_blocking) if isinstance(value, torch.Tensor) else value
            for key, value in batchdata.items()
        }
        return tensors["image"], tensors
