"""Slices of a volume in parts, for inferers whose memory grows with the slices at work."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from pipeline.contracts import Scored

CHUNK = 32


def by_chunks(function: Callable[[torch.Tensor], torch.Tensor], slices: torch.Tensor, size: int | None) -> torch.Tensor:
    """`function` of some slices at a time, joined.

    For a network in evaluation mode, where slices do not see each other, this equals one call.

    Args:
        function: [n, 1, H, W] to [n, 1, H, W].
        slices: [N, 1, H, W].
        size: slices at a time; None takes all at once.

    Example:
        >>> by_chunks(lambda part: part + len(part), torch.zeros(5, 1, 1, 1), size=2).flatten().tolist()
        [2.0, 2.0, 2.0, 2.0, 1.0]
    """
    return torch.cat([function(part) for part in slices.split(size or max(len(slices), 1))])


def scored_by_chunks(function: Callable[[torch.Tensor], Scored], slices: torch.Tensor, size: int | None) -> Scored:
    """As `by_chunks`, for functions that return Scored: each of its parts is joined.

    Args:
        function: [n, 1, H, W] to Scored.
        slices: [N, 1, H, W].
        size: slices at a time; None takes all at once.

    Example:
        >>> found = scored_by_chunks(lambda part: Scored(part, 1 - part), torch.ones(5, 1, 1, 1), size=2)
        >>> found.map.shape, found.reconstruction.sum().item(), found.objective
        (torch.Size([5, 1, 1, 1]), 0.0, None)
    """
    maps, drawn, objectives = zip(*(function(part) for part in slices.split(size or max(len(slices), 1))), strict=True)
    return Scored(torch.cat(maps), _joined(drawn), _joined(objectives))


def _joined(parts: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
    found = [part for part in parts if part is not None]
    return torch.cat(found) if found else None
