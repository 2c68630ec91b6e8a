from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Categorical, Normal, kl_divergence

from pipeline.losses import ImageEnergy, KLToStandardNormal, MixtureKL
from pipeline.losses.mixture import c_prior_kl, conditional_prior_kl, log_responsibilities
from pipeline.networks import MixtureOutput, SpatialGMVAE, SpatialOutput

C, K, D, SIDE = 3, 2, 2, 4


def output(images: int = 2, side: int = SIDE, **options) -> MixtureOutput:
    torch.manual_seed(0)
    made = lambda *shape: torch.randn(images, *shape, side, side, **options)  # noqa: E731
    image, mu, w_mu = made(1), made(K), made(D)
    return MixtureOutput(image, mu, -made(K).abs(), made(K), w_mu, -made(D).abs(), made(C, K), 0.3 * made(C, K))


def normal(mu: torch.Tensor, logvar: torch.Tensor) -> Normal:
    return Normal(mu, (0.5 * logvar).exp())


def test_responsibilities_are_those_of_bayes() -> None:
    made = output()
    likelihood = normal(made.prior_mu, made.prior_logvar).log_prob(made.z[:, None]).sum(dim=2).exp()
    torch.testing.assert_close(log_responsibilities(made).exp(), likelihood / likelihood.sum(dim=1, keepdim=True))


def test_conditional_prior_equals_a_monte_carlo_estimate() -> None:
    made = output(1, 1)
    log_shares = log_responsibilities(made)
    q = normal(made.mu, made.logvar)
    draws = q.sample((400_000,))[:, :, None]  # [draws, N, 1, K, 1, 1] against [N, C, K, 1, 1]
    p = normal(made.prior_mu, made.prior_logvar)
    ratios = (q.log_prob(draws[:, :, 0])[:, :, None] - p.log_prob(draws)).sum(dim=3)
    estimates = (log_shares.exp() * ratios).sum(dim=2).flatten()
    found = conditional_prior_kl(made, log_shares).item()
    assert abs(estimates.mean() - found) < 4 * estimates.std() / math.sqrt(len(estimates))


def test_c_prior_equals_torch_and_a_monte_carlo_estimate() -> None:
    made = output()
    log_shares = log_responsibilities(made)
    posterior = Categorical(logits=log_shares.movedim(1, -1))
    expected = kl_divergence(posterior, Categorical(torch.ones_like(posterior.probs)))
    torch.testing.assert_close(c_prior_kl(log_shares), expected, rtol=1e-4, atol=1e-5)
    drawn = posterior.sample((20_000,))
    ratios = posterior.log_prob(drawn) + math.log(C)
    error = (ratios.mean(dim=0) - c_prior_kl(log_shares)).abs()
    assert (error < 5 * ratios.std(dim=0) / math.sqrt(len(drawn)) + 1e-4).all()


def test_one_component_everywhere_is_a_plain_gaussian_prior() -> None:
    made = output()
    same = made._replace(
        prior_mu=made.prior_mu[:, :1].expand(-1, C, -1, -1, -1),
        prior_logvar=made.prior_logvar[:, :1].expand(-1, C, -1, -1, -1),
    )
    plain = kl_divergence(normal(made.mu, made.logvar), normal(made.prior_mu[:, 0], made.prior_logvar[:, 0]))
    of_w = kl_divergence(normal(made.w_mu, made.w_logvar), Normal(0.0, 1.0))
    expected = (plain + of_w).sum(dim=(1, 2, 3))
    torch.testing.assert_close(MixtureKL()(same, {}), expected)


def test_gradients_are_finite_where_a_component_explains_nothing() -> None:
    made = output()
    far = made._replace(z=(made.z + 1e3).requires_grad_(), prior_logvar=made.prior_logvar.clone().requires_grad_())
    assert (log_responsibilities(far).exp() == 0).any()  # in float32
    MixtureKL()(far, {}).sum().backward()
    assert far.z.grad is not None and far.z.grad.isfinite().all()
    assert far.prior_logvar.grad is not None and far.prior_logvar.grad.isfinite().all()


@pytest.mark.parametrize("logvar", [-100.0, 100.0])
def test_a_network_whose_component_collapses_has_a_finite_kl_and_gradient(logvar: float) -> None:
    torch.manual_seed(0)
    network = SpatialGMVAE(8, latent_maps=K, components=C).train()
    with torch.no_grad():
        network.to_prior_logvar.bias[:K] = logvar  # of the first component, in all maps
    loss = MixtureKL()(network(torch.rand(2, 1, 8, 8)), {})
    loss.sum().backward()
    assert loss.isfinite().all()
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


def test_ordinary_log_variances_of_the_prior_are_not_touched() -> None:
    torch.manual_seed(0)
    network, w = SpatialGMVAE(8, latent_maps=K, components=C), torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        network.to_prior_logvar.bias.copy_(torch.linspace(-18, 18, C * K))
        plain = network.to_prior_logvar(network.to_hidden(w))
        assert torch.equal(network.prior_of(w)[1].flatten(1, 2), plain) and plain.abs().max() > 16


def test_gradients_in_float64() -> None:
    made = output(1, 2, dtype=torch.float64)
    call = lambda *parts: MixtureKL()(MixtureOutput(made.reconstruction, *parts), {})  # noqa: E731
    assert torch.autograd.gradcheck(call, tuple(part.requires_grad_() for part in made[1:]))


def test_energy_is_that_of_each_image_in_sums() -> None:
    torch.manual_seed(0)
    maps = torch.randn(2, 4, 6, 6)
    drawn, image = SpatialOutput(torch.rand(2, 1, 6, 6), maps, -maps.abs()), torch.rand(2, 1, 6, 6)
    found = ImageEnergy(KLToStandardNormal(), beta=0.2)(drawn, image)
    for n in range(2):
        kl = kl_divergence(normal(maps[n], -maps[n].abs()), Normal(0.0, 1.0)).sum() / 4
        torch.testing.assert_close(found[n], (image[n] - drawn.reconstruction[n]).abs().sum() + 36 * 0.2 * kl)
