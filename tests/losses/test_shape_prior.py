from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.distributions import Normal, kl_divergence

from pipeline.errors import PipelineError
from pipeline.losses import KLToShapePrior, KLToStandardNormal, gaussian_kl
from pipeline.networks import SpatialOutput
from pipeline.prior import ShapePrior, load_prior

SHAPE = (3, 4, 8, 8)


def latents(seed: int = 0, **options) -> SpatialOutput:
    torch.manual_seed(seed)
    return SpatialOutput(torch.zeros(3, 1, 8, 8), torch.rand(SHAPE, **options), -3 * torch.rand(SHAPE, **options))


def prior(seed: int = 1, slices: int = 6) -> ShapePrior:
    torch.manual_seed(seed)
    return ShapePrior(torch.rand(slices, 4, 8, 8), 0.05 + 0.2 * torch.rand(slices, 4, 8, 8), start=20, step=2)


def test_kl_equals_torch_distributions_summed_over_pixels_and_averaged_over_tissues() -> None:
    output, maps = latents(), prior()
    z = torch.tensor([24, 20, 30])
    rows = [2, 0, 5]
    expected = kl_divergence(
        Normal(output.mu, (0.5 * output.logvar).exp()), Normal(maps.mean[rows], maps.variance[rows].sqrt())
    )
    found = KLToShapePrior(maps, 1e-3)(output, {"z": z})
    torch.testing.assert_close(found, expected.sum(dim=(2, 3)).mean(dim=1))


def test_kl_equals_a_monte_carlo_estimate() -> None:
    torch.manual_seed(0)
    q, p = Normal(torch.tensor(0.7), torch.tensor(0.4)), Normal(torch.tensor(0.2), torch.tensor(0.3))
    draws = q.sample((400_000,))
    estimate = q.log_prob(draws) - p.log_prob(draws)
    closed = gaussian_kl(q.mean, 2 * q.stddev.log(), p.mean, 2 * p.stddev.log())
    assert abs(estimate.mean() - closed) < 4 * estimate.std() / math.sqrt(len(draws))


def test_slices_are_matched_to_the_prior_by_their_place_in_the_atlas() -> None:
    output, loss = latents(), KLToShapePrior(prior())
    z = torch.tensor([22, 24, 26])
    whole = loss(output, {"z": z})
    order = torch.tensor([2, 0, 1])
    permuted = SpatialOutput(*(part[order] for part in output))
    torch.testing.assert_close(loss(permuted, {"z": z[order]}), whole[order])
    assert not torch.allclose(loss(output, {"z": z + 2}), whole), "a volume shifted by one slice has another loss"
    torch.testing.assert_close(loss(permuted, {"z": z[order]}).sum(), whole.sum())
    assert not torch.allclose(loss(permuted, {"z": z}).sum(), whole.sum()), "places count, not the order of a batch"


def test_latents_equal_to_the_prior_cost_nothing_and_others_something() -> None:
    maps = prior()
    output = SpatialOutput(torch.zeros(1, 1, 8, 8), maps.mean[[3]], maps.variance[[3]].log())
    loss = KLToShapePrior(maps, 1e-3)
    assert loss(output, {"z": torch.tensor([26])}).item() == pytest.approx(0, abs=1e-4)
    assert (loss(latents(), {"z": torch.tensor([26, 26, 26])}) > 1).all()


def test_small_variances_of_the_prior_count_as_the_floor() -> None:
    maps, floor = prior(), 1e-2
    certain = maps._replace(variance=torch.zeros_like(maps.variance))
    z = {"z": torch.tensor([20, 22, 24])}
    expected = KLToShapePrior(maps._replace(variance=torch.full_like(maps.variance, floor)), 1e-9)(latents(), z)
    found = KLToShapePrior(certain, floor)(latents(), z)
    assert found.isfinite().all()
    torch.testing.assert_close(found, expected)


def test_gradients_in_float64() -> None:
    output, loss = latents(dtype=torch.float64), KLToShapePrior(prior())
    z = {"z": torch.tensor([20, 24, 28])}
    call = lambda mu, logvar: loss(SpatialOutput(output.reconstruction, mu, logvar), z)  # noqa: E731
    assert torch.autograd.gradcheck(call, (output.mu.requires_grad_(), output.logvar.requires_grad_()))


def test_the_standard_normal_is_the_prior_of_mean_0_and_variance_1() -> None:
    output = latents()
    expected = kl_divergence(Normal(output.mu, (0.5 * output.logvar).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(KLToStandardNormal()(output, {}), expected.sum(dim=(2, 3)).mean(dim=1))


@pytest.mark.parametrize("z", [18, 32, 21, -1])
def test_slices_that_the_prior_does_not_cover_are_refused(z: int) -> None:
    message = f"the prior has no slice at atlas position {z}: it covers 20 to 30 in steps of 2"
    with pytest.raises(PipelineError, match=message):
        KLToShapePrior(prior())(latents(), {"z": torch.tensor([20, z, 22])})


def test_the_prior_on_disk_lies_on_the_slices_of_the_dataset(tiny_dataset: Path) -> None:
    maps = load_prior(tiny_dataset / "prior", tiny_dataset)
    assert maps.mean.shape == maps.variance.shape == (10, 4, 32, 32) and (maps.start, maps.step) == (0, 10)
    torch.testing.assert_close(maps.mean.sum(dim=1), torch.ones(10, 32, 32))
    batch = {"z": torch.tensor([60, 70, 60])}
    rows = maps.rows_of(batch["z"])
    assert rows.tolist() == [6, 7, 6]
    assert not torch.equal(maps.mean[6], maps.mean[7])


def test_on_a_gpu_nothing_is_waited_for_and_the_prior_moves_once() -> None:
    """Of tensors without data nothing can be read back: a question for a number of theirs is an error."""
    with FakeTensorMode():
        loss, z = KLToShapePrior(prior()), torch.zeros(3, dtype=torch.long, device="cuda")
        mu = torch.zeros(3, 4, 8, 8, device="cuda")
        for _ in range(2):
            assert loss(SpatialOutput(mu, mu, mu), {"z": z}).device.type == "cuda"
        assert loss.mean.is_cuda and loss.logvar.is_cuda
        with pytest.raises(DataDependentOutputException):
            bool(z.any())
