from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.errors import PipelineError
from pipeline.losses import ImageObjective, KLToStandardNormal, mean_total_variation, perceptual_distance
from pipeline.networks import SpatialOutput, VGGFeatures


class Features(nn.Module):
    """Two maps that need no weights: the image, and its square at half the size."""

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        return [image + 0, image[:, :, ::2, ::2].square()]


def draw(**options) -> tuple[SpatialOutput, dict]:
    torch.manual_seed(0)
    maps = torch.randn(2, 4, 6, 6, **options)
    return SpatialOutput(torch.rand(2, 1, 6, 6, **options), maps, -maps.abs()), {"image": torch.rand(2, 1, 6, 6)}


def test_total_variation_equals_a_loop_over_pixels() -> None:
    image = torch.rand(3, 1, 5, 7)
    down, across = [], []
    for n in range(3):
        for i in range(5):
            for j in range(7):
                down += [abs(image[n, 0, i + 1, j] - image[n, 0, i, j]).item()] if i < 4 else []
                across += [abs(image[n, 0, i, j + 1] - image[n, 0, i, j]).item()] if j < 6 else []
    expected = sum(down) / len(down) + sum(across) / len(across)
    assert mean_total_variation(image).item() == pytest.approx(expected, rel=1e-5)


def test_objective_is_the_stated_sum() -> None:
    output, batch = draw()
    objective = ImageObjective(KLToStandardNormal(), beta=0.3, features=Features(), perceptual_weight=0.7)
    x, drawn = batch["image"], output.reconstruction
    squares = (drawn[:, :, ::2, ::2].square() - x[:, :, ::2, ::2].square()).square().mean()
    expected = (x - drawn).abs().mean() + mean_total_variation(drawn)
    expected = expected + 0.7 * ((drawn - x).square().mean() + squares) / 2
    expected = expected + 0.3 * KLToStandardNormal()(output, batch).mean()
    assert objective(output, batch).item() == pytest.approx(expected.item(), rel=1e-5)
    assert list(objective.terms) == ["l1", "tv", "perceptual", "kl"]


def test_gradients_in_float64() -> None:
    output, batch = draw(dtype=torch.float64)
    batch = {"image": batch["image"].double()}
    objective = ImageObjective(KLToStandardNormal(), 0.3, Features(), 0.7)
    call = lambda *parts: objective(SpatialOutput(*parts), batch)  # noqa: E731
    assert torch.autograd.gradcheck(call, tuple(part.requires_grad_() for part in output))


def test_the_perceptual_distance_has_no_gradient_by_its_target() -> None:
    image, drawn = torch.rand(1, 1, 4, 4, requires_grad=True), torch.rand(1, 1, 4, 4, requires_grad=True)
    perceptual_distance(Features(), drawn, image).backward()
    assert image.grad is None and drawn.grad is not None


def test_coarse_features_change_the_distance_little() -> None:
    torch.manual_seed(0)
    layers = [(torch.randn(8, i, 3, 3) / (3 * i**0.5), torch.zeros(8)) for i in (3, 8)]
    features = VGGFeatures(layers, (2,), normalised=True)
    drawn, image = torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16)
    fine, coarse = (perceptual_distance(features, drawn, image, precision) for precision in ("fp32", "bf16"))
    assert coarse.dtype == torch.float32 and 0 < abs(coarse - fine) < 0.01 * fine


def test_a_weight_without_a_feature_network_is_refused_and_no_weight_needs_none() -> None:
    with pytest.raises(PipelineError, match="perceptual_weight 0.1 needs a feature network; 0 trains without"):
        ImageObjective(KLToStandardNormal(), 1.0)
    output, batch = draw()
    objective = ImageObjective(KLToStandardNormal(), 1.0, perceptual_weight=0)
    objective(output, batch)
    assert list(objective.terms) == ["l1", "tv", "kl"]
