"""Scores as standard normal numbers: what their p-values among healthy pixels come to."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.special import ndtr, ndtri

KNOTS, OUTER = 81, 10  # of a table; those whose mean slope holds beyond its ends
FARTHEST, RARE = 4.0, 10  # normal score of the last knot at most; pixels beyond it at least


def knots_for(pixels: int) -> Tensor:
    """Normal scores [81] between which a table of that many healthy pixels is linear."""
    share = torch.tensor(1 - min(RARE / max(pixels, 1), 0.25), dtype=torch.float64)
    limit = min(FARTHEST, float(ndtri(share)))
    return torch.linspace(-limit, limit, KNOTS)


def table_of(scores: Tensor, knots: Tensor) -> Tensor:
    """The scores, strictly increasing, that lie at the normal scores `knots` among healthy pixels `scores` [n]."""
    at = (ndtr(knots.double()) * (len(scores) - 1)).round().long()
    table = scores.sort().values[at]
    return table + torch.arange(len(knots), device=table.device) * 1e-6 * table.abs().max().clamp_min(1e-3)


def normal_score(scores: Tensor, table: Tensor, knots: Tensor) -> Tensor:
    """`Φ⁻¹(F(s))`, F the share of healthy pixels with a lower score; linear between knots and beyond the last ones.

    Args:
        scores: s, of any shape.
        table: see `table_of`.
        knots: see `knots_for`.

    Example:
        >>> healthy = 5 + 2 * torch.randn(100_000, generator=torch.Generator().manual_seed(0))
        >>> knots = knots_for(len(healthy))
        >>> normal_score(torch.tensor([1.0, 5.0, 7.0, 15.0]), table_of(healthy, knots), knots).round().tolist()
        [-2.0, 0.0, 1.0, 5.0]
    """
    after = torch.searchsorted(table, scores.contiguous()).clamp(1, len(table) - 1)
    share = (scores - table[after - 1]) / (table[after] - table[after - 1])
    inside = torch.lerp(knots[after - 1], knots[after], share)
    above = knots[-1] + (scores - table[-1]) * _slope(knots[-OUTER:], table[-OUTER:])
    below = knots[0] + (scores - table[0]) * _slope(knots[:OUTER], table[:OUTER])
    return torch.where(scores > table[-1], above, torch.where(scores < table[0], below, inside))


def _slope(knots: Tensor, table: Tensor) -> Tensor:
    return (knots[-1] - knots[0]) / (table[-1] - table[0])
