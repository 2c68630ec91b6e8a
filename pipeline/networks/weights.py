"""Trained weights on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline.archives import check_weights
from pipeline.errors import PipelineError
from pipeline.files import replaced


def load_weights(network: nn.Module, path: str | Path, compile: bool = False) -> nn.Module:
    """Load a state dict into `network` and return it in evaluation mode; random weights are never used instead.

    Args:
        network: of the same shape. path: of the file.
        compile: its calls go through `torch.compile`, which takes a minute at first; the names of weights stay.

    Raises:
        PipelineError: the file is missing, unreadable, or made for another network.
    """
    if not Path(path).is_file():
        raise PipelineError(f"missing checkpoint '{path}': run the stage train first")
    try:
        network.load_state_dict(read_state(path))
    except Exception as error:
        raise PipelineError(f"checkpoint '{path}' does not fit this network: {first_line(error)}") from error
    if compile:
        network.compile()
    return network.eval()


def read_state(path: str | Path) -> Any:
    """What `torch.save` wrote: tensors and plain values on the CPU. No code of the file runs.

    Raises:
        PipelineError: see `check_weights`.
        Exception: it is damaged, or would run code; torch raises many kinds.
    """
    check_weights(Path(path))
    return torch.load(path, map_location="cpu", weights_only=True)


def first_line(error: Exception) -> str:
    """The first line of what torch says, which goes on with advice that is not ours."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def save_weights(network: nn.Module, path: str | Path) -> None:
    """Write the state dict of `network` under a temporary name, then rename it; folders are made."""
    path = Path(path)
    with replaced(path) as temporary, temporary.open("wb") as stream:
        torch.save(network.state_dict(), stream)
