from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import entropy

from pipeline.errors import PipelineError
from pipeline.losses import ActivationEntropy, Objective, kl_of_each, spatial_entropy, summed_bce
from pipeline.networks import AutoencoderOutput


def test_reconstruction_is_summed_over_pixels_and_averaged_over_images() -> None:
    torch.manual_seed(0)
    logits, image = torch.randn(3, 1, 4, 4), torch.rand(3, 1, 4, 4)
    p = logits.double().sigmoid()
    brute = -(image * p.log() + (1 - image) * (1 - p).log()).sum() / 3
    assert summed_bce(logits, image).item() == pytest.approx(brute.item(), rel=1e-5)


@pytest.mark.parametrize("shape", [(5, 7), (5, 3, 4, 4)])
def test_kl_equals_torch_distributions(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    mu, logvar = torch.randn(shape), torch.randn(shape)
    normal = torch.distributions.Normal
    reference = torch.distributions.kl_divergence(normal(mu, (0.5 * logvar).exp()), normal(0.0, 1.0))
    torch.testing.assert_close(kl_of_each(mu, logvar), reference.flatten(1).sum(dim=1))
    assert kl_of_each(mu, None).tolist() == [0] * 5


def test_entropy_equals_scipy_image_by_image() -> None:
    torch.manual_seed(0)
    attention, region = torch.randn(3, 1, 6, 6), torch.rand(3, 1, 6, 6) > 0.4
    for value, a, b in zip(spatial_entropy(attention, region), attention, region, strict=True):
        assert value.item() == pytest.approx(entropy(torch.softmax(a[b], 0).numpy()), rel=1e-5)


def test_entropy_of_a_flat_map_is_log_of_the_region_and_of_no_region_zero() -> None:
    region = torch.zeros(2, 1, 8, 8, dtype=torch.bool)
    region[0, :, 2:6, 2:6] = True
    values = spatial_entropy(torch.full((2, 1, 8, 8), 3.0), region)
    assert values.tolist() == pytest.approx([math.log(16), 0.0])


def test_small_spread_costs_half_its_variance() -> None:
    torch.manual_seed(0)
    attention, region = (
        0.01 * torch.randn(1, 1, 64, 64, dtype=torch.float64),
        torch.ones(1, 1, 64, 64, dtype=torch.bool),
    )
    loss = math.log(region.sum().item()) - spatial_entropy(attention, region).item()
    assert loss == pytest.approx(attention.var(correction=0).item() / 2, rel=0.02)


def test_entropy_gradient_in_float64() -> None:
    torch.manual_seed(0)
    region = torch.rand(2, 1, 5, 5) > 0.3
    attention = torch.randn(2, 1, 5, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a: spatial_entropy(a, region), (attention,))


def test_objective_is_the_stated_sum() -> None:
    torch.manual_seed(0)
    features = tuple(torch.rand(2, 3, 8 // 2**s, 8 // 2**s) for s in range(3))
    output = AutoencoderOutput(torch.randn(2, 1, 16, 16), torch.randn(2, 4), torch.randn(2, 4), features)
    batch = {"image": torch.rand(2, 1, 16, 16), "brain": torch.rand(2, 1, 16, 16) > 0.5}
    constraint = ActivationEntropy(stage=2)
    objective = Objective(beta=10, constraint=constraint, constraint_weight=0.1)
    expected = summed_bce(output.logits, batch["image"]) + 10 * kl_of_each(output.mu, output.logvar).mean()
    expected = expected + 0.1 * constraint(output, batch)
    assert objective(output, batch).item() == pytest.approx(expected.item(), rel=1e-6)
    assert set(objective.terms) == {"reconstruction", "kl", "constraint"}


def test_stage_out_of_range_is_refused() -> None:
    with pytest.raises(PipelineError, match="unknown attention stage '5'; available: 1, 2, 3, 4"):
        ActivationEntropy(stage=5)
