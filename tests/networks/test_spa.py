from __future__ import annotations

import pytest
import torch

from pipeline.errors import PipelineError
from pipeline.networks import SpatialVAE, sample_with_snr


@pytest.mark.parametrize("size", [64, 96, 128])
@pytest.mark.parametrize("heads", ["sigmoid", "linear"])
def test_maps_and_reconstruction_have_the_grid_of_the_image(size: int, heads: str) -> None:
    torch.manual_seed(0)
    network, image = SpatialVAE(size, heads=heads), torch.rand(2, 1, size, size)
    output = network(image)
    assert output.reconstruction.shape == image.shape
    assert output.mu.shape == output.logvar.shape == (2, 4, size, size)
    bounded = bool(((output.mu > 0) & (output.mu < 1) & (output.logvar < 0)).all())
    assert bounded is (heads == "sigmoid")


def test_encoder_and_decoder_have_the_stated_layers() -> None:
    network = SpatialVAE(32)
    block = lambda i, o: 9 * i * o + o + 2 * o + 9 * o * o + o + 2 * o  # noqa: E731 two convolutions with batch norm
    up = lambda i, o: 4 * i * o + o + block(i, o)  # noqa: E731 transposed convolution, then the skip beside it
    u_shape = lambda i: block(i, 32) + block(32, 64) + block(64, 128) + up(128, 64) + up(64, 32)  # noqa: E731
    count = lambda module: sum(p.numel() for p in module.parameters())  # noqa: E731
    assert count(network.encoder) == u_shape(1)
    assert count(network.decoder) == u_shape(4) + 32 + 1
    assert count(network.to_mu) == count(network.to_logvar) == 4 * 32 + 4


@pytest.mark.parametrize("snr", [1.0, 16.0, 100.0])
def test_with_unit_variance_the_samples_have_the_asked_signal_to_noise_ratio(snr: float) -> None:
    torch.manual_seed(0)
    mu = torch.rand(8, 4, 64, 64) * torch.arange(1, 9)[:, None, None, None]
    noise = sample_with_snr(mu, torch.zeros_like(mu), snr) - mu
    measured = mu.square().flatten(1).sum(dim=1) / noise.square().flatten(1).sum(dim=1)
    torch.testing.assert_close(measured, torch.full((8,), snr), rtol=0.02, atol=0)


def test_the_deviation_of_the_noise_is_that_of_the_latent() -> None:
    torch.manual_seed(0)
    mu, logvar = torch.ones(2000, 1, 4, 4), torch.linspace(-3, 0, 16).reshape(1, 1, 4, 4).expand(2000, 1, 4, 4)
    noise = sample_with_snr(mu, logvar, 16.0) - mu
    shape = torch.exp(0.5 * logvar[0])
    ratio = noise.std(dim=0) / shape
    torch.testing.assert_close(ratio / ratio.mean(), torch.ones_like(ratio), rtol=0.06, atol=0)
    assert abs(noise.mean(dim=0) / noise.std(dim=0)).max() < 0.1


def test_z_is_sampled_while_training_and_is_the_mean_at_inference() -> None:
    torch.manual_seed(0)
    network, image = SpatialVAE(32, heads="sigmoid").eval(), torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        output = network(image)
        assert torch.equal(output.reconstruction, network(image).reconstruction)
        assert torch.equal(output.reconstruction, network.decode(output.mu))
        assert not torch.equal(output.reconstruction, network(image, sample=True).reconstruction)
        network.train()
        first, second = network(image).reconstruction, network(image).reconstruction
        assert not torch.equal(first, second)
        assert torch.equal(network(image, sample=False).mu, network(image, sample=False).mu)


def test_the_decoder_sees_the_latent_maps_alone() -> None:
    torch.manual_seed(0)
    network, image = SpatialVAE(32).eval(), torch.rand(1, 1, 32, 32, requires_grad=True)
    mu, _ = network.encode(image)
    assert torch.autograd.grad(network.decode(mu.detach().requires_grad_()).sum(), image, allow_unused=True)[0] is None


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"image_size": 30}, "image_size must be a positive multiple of 4, got 30"),
        ({"heads": "tanh"}, "unknown heads 'tanh'; available: sigmoid, linear"),
        ({"snr": 0.0}, "the signal-to-noise ratio must be positive, got 0.0"),
    ],
)
def test_settings_without_meaning_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        SpatialVAE(**arguments)
