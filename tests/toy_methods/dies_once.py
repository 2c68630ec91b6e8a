"""A map whose process is killed once, as for want of memory, and a map that fails."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class DiesOnce:
    """`|x − x̂|`; the first process that is asked for it is killed.

    Args:
        flag: file that says that one was.
    """

    flag: str

    def __call__(self, inputs: torch.Tensor, network: torch.nn.Module) -> torch.Tensor:
        if not Path(self.flag).exists():
            Path(self.flag).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return (inputs - network(inputs)).abs()


def fail(inputs: torch.Tensor, network: torch.nn.Module) -> torch.Tensor:
    """Raise what a defect raises."""
    raise ArithmeticError("no map\ncomes out of this")
