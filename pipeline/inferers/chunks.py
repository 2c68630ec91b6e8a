"""Slices of a volume in parts, for inferers whose memory grows with the slices at work."""

from __future__ import annotations

from collections.abc import Callable

import torch

CHUNK = 32


def by_chunks(function: Callable[[torch.Tensor], torch.Tensor], slices: torch.Tensor, size: int | None) -> torch.Tensor:
    """`function` of at most `size` slices [n, 1, H, W] at a time, joined; None = all at once.

    Equal to one call for a network in evaluation mode, where slices do not see each other.
    """
    return torch.cat([function(part) for part in slices.split(size or max(len(slices), 1))])
