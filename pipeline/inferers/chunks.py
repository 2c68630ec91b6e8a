"""Slices of a volume in parts, for inferers whose memory grows with the slices at work."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from pipeline.contracts import Scored

CHUNK = 32


def by_chunks(function: Callable[[torch.Tensor], torch.Tensor], slices: torch.Tensor, size: int | None) -> torch.Tensor:
    """`function` of at most `size` slices [n, 1, H, W] at a time, joined; None = all at once.

    Equal to one call for a network in evaluation mode, where slices do not see each other.
    """
    return torch.cat([function(part) for part in slices.split(size or max(len(slices), 1))])


def scored_by_chunks(function: Callable[[torch.Tensor], Scored], slices: torch.Tensor, size: int | None) -> Scored:
    """As `by_chunks`, for functions that return Scored: each of its parts is joined."""
    maps, drawn, objectives = zip(*(function(part) for part in slices.split(size or max(len(slices), 1))), strict=True)
    return Scored(torch.cat(maps), _joined(drawn), _joined(objectives))


def _joined(parts: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
    found = [part for part in parts if part is not None]
    return torch.cat(found) if found else None
