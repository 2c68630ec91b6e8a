"""Penalties of an inequality constraint `z ≤ 0`, element by element."""

from __future__ import annotations

import math

import torch
from torch import nn

from pipeline.errors import PipelineError


class LogBarrier(nn.Module):
    """Extended log-barrier (Kervadec et al. 2019; Silva-Rodríguez 2022, Eq. 4), convex, with a continuous slope.

    `−log(−z)/t` where `z ≤ −1/t²`, else `t z − log(1/t²)/t + 1/t`, whose gradient is t, whatever z is. A sigmoid map
    keeps `z = 1 − slack − mean(a) > −slack`: the logarithm is reached where `mean(a) ≥ 1 − slack + 1/t²`, thus only
    with a slack above 1/t² (t = 10: above 0.01). Without slack the barrier is linear, however far t grows.

    Args:
        t: > 0, sharpness in the first epoch. growth: ≥ 1, factor of t an epoch. t_max: what t stops at.

    Raises:
        PipelineError: a t, growth or t_max out of range.
    """

    def __init__(self, t: float = 10.0, growth: float = 1.0, t_max: float = math.inf) -> None:
        super().__init__()
        if not 0 < t <= t_max or growth < 1:
            raise PipelineError(f"a log-barrier needs 0 < t ≤ t_max and growth ≥ 1, got {t}, {t_max} and {growth}")
        self.first_t = t
        self.growth = growth
        self.t_max = t_max
        self.t = t

    def set_epoch(self, epoch: int) -> None:
        """`t = min(t_0 · growth^epoch, t_max)`; `epoch` counts from 0, the first with the constraint."""
        self.t = min(self.first_t * self.growth**epoch, self.t_max)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        edge = -1 / self.t**2
        # both branches are evaluated: the argument of the logarithm is kept positive where it is not used
        barrier = -torch.log(-z.clamp_max(edge)) / self.t
        linear = self.t * z - math.log(1 / self.t**2) / self.t + 1 / self.t
        return torch.where(z <= edge, barrier, linear)


class Quadratic(nn.Module):
    """`relu(z)²`."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.relu(z).square()


class Linear(nn.Module):
    """`relu(z)`."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.relu(z)
