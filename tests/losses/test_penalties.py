from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pipeline.errors import PipelineError
from pipeline.losses import Linear, LogBarrier, Quadratic

T = 10.0
EDGE = -1 / T**2


def reference(z: float) -> float:
    if z <= EDGE:
        return -math.log(-z) / T
    return T * z - math.log(1 / T**2) / T + 1 / T


def test_log_barrier_is_equation_4() -> None:
    z = torch.tensor([-2.0, -1.0, -0.5, EDGE, EDGE / 2, 0.0, 0.3, 1.0], dtype=torch.float64)
    np.testing.assert_allclose(LogBarrier(T)(z).numpy(), [reference(value) for value in z.tolist()])


def test_log_barrier_is_continuous_with_its_first_two_derivatives_up_to_the_edge() -> None:
    """Value and slope agree at −1/t²; the slope is t from there on."""
    z = torch.tensor([EDGE - 1e-9, EDGE + 1e-9], dtype=torch.float64, requires_grad=True)
    values = LogBarrier(T)(z)
    slopes = torch.autograd.grad(values.sum(), z)[0]
    assert values[0].item() == pytest.approx(values[1].item(), abs=1e-6)
    assert slopes.tolist() == pytest.approx([T, T], rel=1e-6)


def test_log_barrier_is_linear_outside_its_edge_and_rises_more_slowly_inside() -> None:
    z = torch.linspace(-2, 1, 301, dtype=torch.float64, requires_grad=True)
    slopes = torch.autograd.grad(LogBarrier(T)(z).sum(), z)[0]
    assert (slopes[z > EDGE] == T).all()
    assert (slopes > 0).all() and (slopes.diff() >= -1e-12).all(), "positive and convex"


def test_a_sharper_barrier_is_nearer_to_the_hard_constraint() -> None:
    z = torch.tensor([-0.5], dtype=torch.float64)
    costs = [LogBarrier(t)(z).item() for t in (5, 50, 500)]
    assert costs[0] > costs[1] > costs[2] > 0
    assert LogBarrier(500)(-z).item() > 100


def test_t_grows_by_epoch_up_to_its_cap() -> None:
    barrier = LogBarrier(10.0, growth=1.1, t_max=12.0)
    found = []
    for epoch in (0, 1, 2, 50, 1):
        barrier.set_epoch(epoch)
        found.append(barrier.t)
    assert found == pytest.approx([10, 11, 12, 12, 11]), "a function of the epoch alone"


@pytest.mark.parametrize("penalty", [LogBarrier(10.0), LogBarrier(3.0), Quadratic(), Linear()])
def test_gradients_in_float64(penalty: torch.nn.Module) -> None:
    z = torch.tensor([-1.3, -0.6, -0.2, 0.2, 0.7], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(penalty, (z,))
    assert torch.autograd.gradgradcheck(penalty, (z,))


def test_penalties_of_a_kept_constraint_are_nothing() -> None:
    z = torch.tensor([-1.0, -0.1, 0.0])
    assert not Quadratic()(z).any() and not Linear()(z).any()
    assert Quadratic()(torch.tensor(0.5)).item() == 0.25 and Linear()(torch.tensor(0.5)).item() == 0.5


@pytest.mark.parametrize("arguments", [{"t": 0.0}, {"growth": 0.9}, {"t": 10.0, "t_max": 5.0}])
def test_other_barriers_are_refused(arguments: dict) -> None:
    with pytest.raises(PipelineError, match="a log-barrier needs 0 < t ≤ t_max and growth ≥ 1, got"):
        LogBarrier(**arguments)
