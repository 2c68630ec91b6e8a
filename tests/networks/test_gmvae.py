from __future__ import annotations

import pytest
import torch

from pipeline.errors import PipelineError
from pipeline.inferers import Restoration
from pipeline.inferers.restoration import total_variation
from pipeline.losses import ImageEnergy, MixtureKL
from pipeline.networks import SpatialGMVAE


@pytest.mark.parametrize("size", [64, 96, 128])
def test_shapes(size: int) -> None:
    output = SpatialGMVAE(size, latent_maps=3, components=5, w_maps=2)(torch.rand(1, 1, size, size))
    assert output.reconstruction.shape == (1, 1, size, size)
    assert output.mu.shape == output.logvar.shape == output.z.shape == (1, 3, size, size)
    assert output.w_mu.shape == output.w_logvar.shape == (1, 2, size, size)
    assert output.prior_mu.shape == output.prior_logvar.shape == (1, 5, 3, size, size)


def test_means_are_taken_at_inference_and_samples_while_training() -> None:
    torch.manual_seed(0)
    network, image = SpatialGMVAE(16), torch.rand(2, 1, 16, 16)
    with torch.no_grad():
        sampled = network(image)
        assert not torch.equal(sampled.z, sampled.mu)
        fixed = network.eval()(image)
    assert torch.equal(fixed.z, fixed.mu) and torch.equal(fixed.prior_mu, network.prior_of(fixed.w_mu)[0])


def test_the_prior_of_a_pixel_follows_from_the_w_of_that_pixel() -> None:
    torch.manual_seed(0)
    network, w = SpatialGMVAE(16), torch.randn(1, 1, 16, 16)
    moved = w.clone()
    moved[0, 0, 3, 5] += 1
    changed = (network.prior_of(moved)[0] != network.prior_of(w)[0]).any(dim=(1, 2))[0]
    assert changed.nonzero().tolist() == [[3, 5]]


@pytest.mark.parametrize("arguments", [{"components": 1}, {"w_maps": 0}])
def test_settings_without_meaning_are_refused(arguments: dict) -> None:
    with pytest.raises(PipelineError, match="a mixture needs components ≥ 2 and w_maps ≥ 1"):
        SpatialGMVAE(16, **arguments)


def test_restoration_descends_the_energy_of_the_mixture() -> None:
    torch.manual_seed(0)
    network, image = SpatialGMVAE(16).eval(), torch.rand(3, 1, 16, 16)
    energy = ImageEnergy(MixtureKL(), 1e-3)
    restoration = Restoration(steps=12, step=0.01, tv_weight=0.1, energy=energy)
    with torch.no_grad():
        restored = restoration.restore(image, network)
        expected = energy(network(restored.image), restored.image) + 0.1 * total_variation(image - restored.image)
    torch.testing.assert_close(restored.objective[-1], expected)
    assert (restored.objective.diff(dim=0) <= 0).all() and (restored.objective[-1] < restored.objective[0]).all()
    signed = Restoration(steps=12, step=0.01, tv_weight=0.1, energy=energy, part="signed")
    with torch.no_grad():
        torch.testing.assert_close(signed(image, network).map, image - restored.image)
