from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

from pipeline.errors import PipelineError
from pipeline.inferers import ActivationMap, Forward, HistogramRank, Intensity, Residual
from pipeline.networks import ResNetAutoencoder
from pipeline.precision import autocast


def volume() -> torch.Tensor:
    torch.manual_seed(0)
    image = (torch.rand(3, 1, 16, 16) * 20).round() / 20
    image[:, :, :3] = 0
    return image


def test_histogram_rank_is_the_empirical_distribution_function_of_the_volume() -> None:
    image = volume()
    brain = image > 0
    expected = np.zeros(image.shape)
    expected[brain] = rankdata(image[brain].numpy(), method="max") / brain.sum().item()
    np.testing.assert_allclose(HistogramRank()(image).map.numpy(), expected, atol=1e-6)


def test_smoothed_rank_ranks_the_normalised_gaussian() -> None:
    image = volume()
    brain = (image > 0).numpy()
    blur = lambda x: gaussian_filter(x, (0, 0, 1.5, 1.5), mode="constant", truncate=4)  # noqa: E731
    smooth = blur(image.double().numpy()) / np.maximum(blur(brain.astype(float)), 1e-6)
    expected = rankdata(smooth[brain], method="max") / brain.sum()
    ours = HistogramRank(sigma_mm=3.0, spacing_mm=2.0)(image).map.numpy()[brain]
    assert np.corrcoef(ours, expected)[0, 1] > 0.999
    with pytest.raises(PipelineError, match="sigma_mm must be ≥ 0, got -1"):
        HistogramRank(sigma_mm=-1)


def test_rank_is_unchanged_by_increasing_transforms() -> None:
    image = volume()
    assert torch.equal(HistogramRank()(image).map, HistogramRank()(image**3).map)


def test_intensity_is_the_image() -> None:
    image = volume()
    assert torch.equal(Intensity()(image, None).map, image)


def test_maps_of_a_network_have_the_shape_of_the_image() -> None:
    network, image = ResNetAutoencoder(16, 4).eval(), volume()
    with torch.no_grad():
        residual = Residual()(image, network).map
        attention = ActivationMap(2)(image, network).map
    assert residual.shape == attention.shape == image.shape
    assert residual.min() >= 0 and residual.max() <= 1
    torch.testing.assert_close(residual, (image - network(image).reconstruction).abs())


def test_bf16_forward_stays_near_float32() -> None:
    torch.manual_seed(0)
    network, image = ResNetAutoencoder(32, 4).eval(), torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        fine, coarse = (Forward(precision)(image, network).reconstruction.float() for precision in ("fp32", "bf16"))
    assert 0 < (fine - coarse).abs().max() < 0.03


def test_unknown_precision_is_refused() -> None:
    with pytest.raises(PipelineError, match="unknown precision 'fp8'; available: auto, bf16, fp32"):
        autocast("fp8", torch.device("cpu"))
