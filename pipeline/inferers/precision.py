"""The forward pass of training, in the precision that the device is fast in."""

from __future__ import annotations

from typing import Any

import torch
from monai.inferers import SimpleInferer

from pipeline.precision import autocast


class Forward(SimpleInferer):
    """One forward pass under autocast, channels last; losses and metrics stay outside it, in float32.

    MONAI's own `amp` opens autocast for CUDA only, hence this inferer. Numbers of `bf16` and `fp32` differ.
    """

    def __init__(self, precision: str = "auto") -> None:
        super().__init__()
        self.precision = precision

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> Any:
        with autocast(self.precision, inputs.device):
            return network(inputs.contiguous(memory_format=torch.channels_last), *args, **kwargs)
