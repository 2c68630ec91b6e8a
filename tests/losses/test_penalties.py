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


@pytest.mark.parametrize("t", [1.0, T, 1000.0])
def test_value_and_slope_of_the_log_barrier_are_continuous_at_its_edge(t: float) -> None:
    """The two branches meet at −1/t²; the slope is t from there on."""
    edge = -1 / t**2
    z = torch.tensor([edge * (1 + 1e-9), edge * (1 - 1e-9)], dtype=torch.float64, requires_grad=True)
    values = LogBarrier(t)(z)
    slopes = torch.autograd.grad(values.sum(), z)[0]
    assert values.tolist() == pytest.approx([2 * math.log(t) / t] * 2, rel=1e-8, abs=1e-8)
    assert slopes.tolist() == pytest.approx([t, t], rel=1e-8)


def test_log_barrier_is_linear_outside_its_edge_and_rises_more_slowly_inside() -> None:
    z = torch.linspace(-2, 1, 301, dtype=torch.float64, requires_grad=True)
    slopes = torch.autograd.grad(LogBarrier(T)(z).sum(), z)[0]
    assert (slopes[z > EDGE] == T).all()
    assert (slopes > 0).all() and (slopes.diff() >= -1e-12).all(), "positive and convex"


def test_the_log_barrier_tends_to_the_indicator_of_the_constraint() -> None:
    """For z in (−1, −1/t²] it is at most `2 log(t) / t`, which tends to 0; for z > 0 at least `t z`, to infinity."""
    z = torch.linspace(-0.99, -0.02, 98, dtype=torch.float64)
    for t in (10.0, 100.0, 1000.0):
        kept, broken = LogBarrier(t)(z), LogBarrier(t)(-z)
        assert (kept > 0).all() and (kept <= 2 * math.log(t) / t).all()
        assert (broken > -t * z).all()


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
