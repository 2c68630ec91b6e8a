"""Inferers of reconstruction methods: residuals, Monte-Carlo, restoration."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm, rankdata
from torch import nn

from pipeline.errors import PipelineError
from pipeline.inferers import (
    FeatureResidual,
    GradientWeightedResidual,
    HistogramRank,
    MonteCarlo,
    Residual,
    Restoration,
)
from pipeline.inferers.restoration import bernoulli_entropy, denoise, total_variation
from pipeline.losses import negative_elbo
from pipeline.networks import FAnoGAN, ResNetAutoencoder
from pipeline.networks.autoencoder import AutoencoderOutput


def images(n: int = 5, size: int = 16) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.rand(n, 1, size, size)


def network(kind: type[ResNetAutoencoder] = ResNetAutoencoder, **options) -> ResNetAutoencoder:
    torch.manual_seed(1)
    return kind(16, 4, **options).eval()


@torch.no_grad()
def test_parts_of_the_residual() -> None:
    x, net = images(), network()
    parts = {part: Residual(part)(x, net).map for part in ("absolute", "positive", "signed")}
    torch.testing.assert_close(parts["signed"], x - net(x).reconstruction)
    assert torch.equal(parts["absolute"], parts["signed"].abs())
    assert torch.equal(parts["positive"], parts["signed"].clamp_min(0))
    with pytest.raises(PipelineError, match="unknown part of the residual 'negative'; available: absolute, positive"):
        Residual("negative")


@torch.no_grad()
@pytest.mark.parametrize(
    "inferer, options",
    [
        (Residual, {}),
        (GradientWeightedResidual, {}),
        (GradientWeightedResidual, {"term": "kl"}),
        (FeatureResidual, {}),
        (Restoration, {"steps": 3}),
    ],
)
def test_chunks_change_nothing(inferer, options) -> None:
    x, net = images(), network(FAnoGAN) if inferer is FeatureResidual else network()
    parts, whole = (inferer(**options, chunk=chunk)(x, net).map for chunk in (2, None))
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-4)
    assert parts.shape == x.shape and parts.isfinite().all()


@torch.no_grad()
def test_score_of_the_context_vae_is_residual_times_gradient() -> None:
    x, net = images(1), network()
    step, pixel = 1e-2, (0, 0, 5, 7)
    up, down = x.clone(), x.clone()
    up[pixel] += step
    down[pixel] -= step
    slope = (negative_elbo(net(up), up) - negative_elbo(net(down), down)) / (2 * step)
    expected = (x - net(x).reconstruction)[pixel].abs() * slope.abs()
    score = GradientWeightedResidual()(x, net).map
    torch.testing.assert_close(score[pixel], expected[0], rtol=0.02, atol=1e-3)
    assert not score.requires_grad


@torch.no_grad()
def test_feature_residual_without_features_is_the_residual() -> None:
    x, net = images(), network(FAnoGAN)
    torch.testing.assert_close(FeatureResidual(kappa=0.0)(x, net).map, Residual()(x, net).map)
    assert (FeatureResidual(kappa=1.0)(x, net).map >= Residual()(x, net).map).all()


class Linear(nn.Module):
    """x̂ = scale · dropout(x): for p = ½ it is 2 scale x or 0, with probability ½ each."""

    def __init__(self, scale: float, p: float = 0.5) -> None:
        super().__init__()
        self.scale = scale
        self.dropout = nn.Dropout(p)

    def forward(self, image: torch.Tensor) -> AutoencoderOutput:
        drawn = (self.scale * self.dropout(image)).clamp(1e-7, 1 - 1e-7)
        return AutoencoderOutput(torch.logit(drawn), image.flatten(1), None, ())


@pytest.mark.parametrize("sizes", [(3, 7), (1, 32), (3, 2)])
def test_monte_carlo_converges_to_the_analytic_moments(sizes: tuple[int, int]) -> None:
    """|x − x̂| is x or |1 − 2·scale| x with probability ½ each."""
    slices, at_once = sizes
    x, scale, passes = images(slices, 8), 0.4, 500
    mean, deviation = MonteCarlo(passes, images=at_once).moments(x, Linear(scale).eval())
    low, high = abs(1 - 2 * scale) * x, x
    error = (mean - (low + high) / 2).abs() / ((high - low) / 2 / passes**0.5)
    assert error.max() < norm.isf(1e-7), "standard errors of the mean, over all pixels"
    torch.testing.assert_close(deviation, (high - low) / 2, rtol=0.04, atol=1e-5)


@torch.no_grad()
def test_monte_carlo_is_repeatable_and_leaves_network_and_random_state_alone() -> None:
    x, net = images(), network(dropout=0.2)
    state = torch.get_rng_state()
    first, second = (MonteCarlo(4)(x, net).map for _ in range(2))
    assert torch.equal(first, second) and torch.equal(state, torch.get_rng_state())
    assert not torch.equal(first, MonteCarlo(4, seed=1)(x, net).map)
    assert not any(module.training for module in net.modules())
    passes = MonteCarlo(3, images=5)
    mean, deviation = passes.moments(x, net)
    assert torch.equal(MonteCarlo(3, "std", images=5)(x, net).map, deviation) and (deviation > 0).any()
    assert MonteCarlo(2, sample=True)(x, network()).map.shape == x.shape


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"passes": 1}, "at least 2 passes, got 1"),
        ({"statistic": "median"}, "unknown statistic 'median'; available: mean, std"),
    ],
)
def test_monte_carlo_refuses(arguments: dict, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        MonteCarlo(**arguments)


def test_monte_carlo_refuses_a_network_that_answers_the_same_each_time() -> None:
    with pytest.raises(PipelineError, match="needs a network with dropout"):
        MonteCarlo(2)(images(), network())


@torch.no_grad()
@pytest.mark.parametrize("step", [1e-3, 0.03, 10.0])
@pytest.mark.parametrize("relative", [False, True])
def test_restoration_objective_falls_at_every_step(step: float, relative: bool) -> None:
    x, net = images(), network()
    restored = Restoration(steps=15, step=step, tv_weight=0.01, relative=relative).restore(x, net)
    assert restored.objective.shape == (16, 5)
    assert (restored.objective.diff(dim=0) <= 0).all(), "never rises, for any image"
    assert (restored.objective[-1] < restored.objective[0]).all()
    assert restored.image.min() >= 0 and restored.image.max() <= 1
    expected = negative_elbo(net(restored.image), restored.image) + 0.01 * total_variation(x - restored.image)
    expected = expected - bernoulli_entropy(restored.image) if relative else expected
    torch.testing.assert_close(restored.objective[-1], expected)


@torch.no_grad()
def test_restoration_of_each_slice_alone_is_the_same() -> None:
    x, net = images(), network()
    together = Restoration(steps=5)(x, net).map
    alone = torch.cat([Restoration(steps=5)(part, net).map for part in x.split(1)])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_strong_total_variation_keeps_the_image() -> None:
    x, net = images(), network()
    moved = [Restoration(steps=10, tv_weight=weight)(x, net).map.mean() for weight in (0.0, 1.0, 1000.0)]
    assert moved[0] > moved[1] > moved[2] and moved[2] < 1e-3


def test_total_variation_of_a_square_is_its_outline() -> None:
    image = torch.zeros(1, 1, 10, 10)
    image[..., 3:6, 2:7] = 1.0
    torch.testing.assert_close(total_variation(image), torch.tensor([2.0 * (3 + 5)]))
    assert total_variation(torch.zeros(1, 1, 4, 4)) == 0


def test_denoising_lowers_its_objective_and_keeps_the_mean() -> None:
    noisy = images(3, 12)
    weight = torch.tensor([0.0, 0.1, 100.0])[:, None, None, None]
    clean = denoise(noisy, weight)

    def objective(d: torch.Tensor) -> torch.Tensor:
        return (d - noisy).square().flatten(1).sum(dim=1) / 2 + weight.flatten() * total_variation(d)

    torch.testing.assert_close(clean[0], noisy[0])
    torch.testing.assert_close(clean.mean((1, 2, 3)), noisy.mean((1, 2, 3)), rtol=1e-4, atol=1e-4)
    assert (objective(clean)[1:] < objective(noisy)[1:]).all()
    for other in (clean + 0.01 * torch.randn_like(clean), 0.9 * clean, noisy.mean() + 0 * clean):
        assert objective(clean)[1] < objective(other)[1]


def test_rank_within_each_slice_is_the_empirical_distribution_function() -> None:
    x = (images() * 20).round() / 20
    expected = np.zeros(x.shape)
    for one, out in zip(x.numpy(), expected, strict=True):
        out[one > 0] = rankdata(one[one > 0], method="max") / (one > 0).sum()
    np.testing.assert_allclose(HistogramRank(scope="slice")(x).map.numpy(), expected, atol=1e-6)
    brute = [(x[x > 0] <= value).sum() / (x > 0).sum() for value in x.flatten()[:50]]
    torch.testing.assert_close(HistogramRank()(x).map.flatten()[:50], torch.stack(brute) * (x.flatten()[:50] > 0))
    with pytest.raises(PipelineError, match="unknown scope 'scan'; available: volume, slice"):
        HistogramRank(scope="scan")
