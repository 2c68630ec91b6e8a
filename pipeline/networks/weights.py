"""Trained weights on disk."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from pipeline.errors import PipelineError


def load_weights(network: nn.Module, path: str | Path) -> nn.Module:
    """Load a state dict into `network` and return it in evaluation mode; random weights are never used instead.

    Raises:
        PipelineError: the file is missing, unreadable, or made for another network.
    """
    if not Path(path).is_file():
        raise PipelineError(f"missing checkpoint '{path}': run the stage train first")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state)
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise PipelineError(f"checkpoint '{path}' does not fit this network: {reason}") from error
    return network.eval()


def save_weights(network: nn.Module, path: str | Path) -> None:
    """Write the state dict of `network` under a temporary name, then rename it; folders are made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    torch.save(network.state_dict(), temporary)
    temporary.replace(path)
