"""The forward pass of training, in the precision that the device is fast in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from pipeline.errors import check_choice
from pipeline.precision import PRECISIONS, autocast

OutputT = TypeVar("OutputT")


@dataclass(frozen=True)
class Forward:
    """One forward pass under autocast, channels last; losses and metrics stay outside it, in float32.

    MONAI's own `amp` opens autocast for CUDA only, hence this inferer. Numbers of `bf16` and `fp32` differ.

    Args:
        precision: `auto`, `bf16` or `fp32`, see `pipeline.precision`.

    Raises:
        PipelineError: another precision.

    Example:
        >>> network, images = torch.nn.Conv2d(1, 2, 3), torch.rand(1, 1, 8, 8)
        >>> Forward("bf16")(images, network).dtype, Forward("fp32")(images, network).dtype
        (torch.bfloat16, torch.float32)
    """

    precision: str = "auto"

    def __post_init__(self) -> None:
        check_choice("precision", self.precision, PRECISIONS)

    def __call__(self, inputs: torch.Tensor, network: Callable[..., OutputT], *args: Any, **kwargs: Any) -> OutputT:
        """What the network returns for `inputs` [N, C, H, W]; further arguments go to it."""
        with autocast(self.precision, inputs.device):
            return network(inputs.contiguous(memory_format=torch.channels_last), *args, **kwargs)
