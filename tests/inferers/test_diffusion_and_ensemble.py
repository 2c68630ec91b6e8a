"""Laws of the partial diffusion and of the distance from an ensemble."""

from __future__ import annotations

import pytest
import torch
from monai.networks.schedulers import DDIMScheduler
from torch import nn

from pipeline.engines import PrepareDiffusion
from pipeline.errors import PipelineError
from pipeline.inferers import Mahalanobis, MonteCarlo, NoiseAndDenoise
from pipeline.transforms import OctaveNoise

SCHEDULER = DDIMScheduler(num_train_timesteps=100, clip_sample=False)


def knows(healthy: torch.Tensor):
    """The noise in an image of which only the healthy brain is known: `(x_t − √ᾱ x_0) / √(1 − ᾱ)`."""

    def noise(image: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        alpha = SCHEDULER.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
        return (image - alpha.sqrt() * healthy) / (1 - alpha).sqrt()

    return noise


@pytest.mark.parametrize("start, stride", [(40, 10), (20, 5), (90, 10)])
def test_a_network_that_knows_the_noise_leaves_the_lesion_alone(start: int, stride: int) -> None:
    healthy = torch.rand(3, 1, 16, 16)
    lesion = torch.zeros_like(healthy)
    lesion[..., 4:8, 4:8] = 0.3
    scored = NoiseAndDenoise(SCHEDULER, OctaveNoise(), start=start, stride=stride)(healthy + lesion, knows(healthy))
    torch.testing.assert_close(scored.reconstruction, healthy, rtol=0, atol=1e-4)
    torch.testing.assert_close(scored.map, lesion, rtol=0, atol=1e-4)


def test_octaves_are_smoother_than_white_noise_and_the_same_for_the_same_seed() -> None:
    like = torch.zeros(20, 1, 32, 32)
    noises = [OctaveNoise(decay)(like, torch.Generator().manual_seed(1)) for decay in (0.0, 0.8)]
    white, octaves = ((noise[..., 1:] - noise[..., :-1]).std() for noise in noises)
    assert white == pytest.approx(2**0.5, rel=0.05) and octaves < 0.9 * white
    for noise in noises:
        torch.testing.assert_close(noise.mean(dim=(1, 2, 3)), torch.zeros(20), rtol=0, atol=1e-6)
    assert torch.equal(OctaveNoise()(like, torch.Generator().manual_seed(1)), noises[1])


def test_what_the_trainer_gets_is_the_noise_of_the_method() -> None:
    prepare = PrepareDiffusion(lambda images: torch.full_like(images, 3.0), num_train_timesteps=7)
    image, target, _, more = prepare({"image": torch.rand(4, 1, 8, 8), "label": torch.zeros(4)}, "cpu")
    assert torch.equal(target, torch.full_like(image, 3.0)) and torch.equal(more["noise"], target)
    assert more["timesteps"].max() < 7


class Scatter(nn.Module):
    """x̂ = sigmoid(logit of the brain's level + a draw of known spread)."""

    def __init__(self, spread: torch.Tensor) -> None:
        super().__init__()
        self.spread = spread
        self.dropout = nn.Dropout(0.5)

    def forward(self, image: torch.Tensor):
        draw = torch.randn(image.shape) * self.spread
        return type("Drawn", (), {"logits": torch.logit((0.5 + draw).clamp(1e-4, 1 - 1e-4))})


def test_a_residual_counts_in_units_of_its_scatter() -> None:
    spread = torch.full((1, 1, 8, 8), 0.02)
    spread[..., 4:] = 0.04
    image = torch.full((1, 1, 8, 8), 0.7)
    distance = Mahalanobis(passes=400, shrinkage=1e-6, images=64)(image, Scatter(spread)).map
    assert distance[..., :4].mean().item() == pytest.approx((0.2 / 0.02) ** 2, rel=0.05)
    assert distance[..., 4:].mean().item() == pytest.approx((0.2 / 0.04) ** 2, rel=0.05)
    flat = Mahalanobis(passes=400, shrinkage=1.0, images=64)(image, Scatter(spread)).map
    assert (flat.max() - flat.min()) / flat.mean() < 0.1, "shrunk in full, all pixels share one variance"


def test_darker_than_drawn_is_no_positive_distance() -> None:
    scatter = Scatter(torch.tensor(0.01))
    image = torch.full((1, 1, 8, 8), 0.3)
    assert not Mahalanobis(part="positive")(image, scatter).map.any()
    assert Mahalanobis()(image, scatter).map.min() > 1


@pytest.mark.parametrize("wrong", [{"passes": 1}, {"shrinkage": 0.0}])
def test_an_ensemble_of_one_and_no_shrinkage_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(PipelineError, match=r"at least 2 passes and a shrinkage in \(0, 1\]"):
        Mahalanobis(**wrong)


def test_means_of_absolute_residuals_are_as_before() -> None:
    torch.manual_seed(0)
    mean, deviation = MonteCarlo(passes=300, images=50).moments(
        torch.full((1, 1, 8, 8), 0.5), Scatter(torch.tensor(0.03))
    )
    assert mean.mean().item() == pytest.approx(0.03 * (2 / torch.pi) ** 0.5, rel=0.03)
    assert deviation.mean().item() == pytest.approx(0.03 * (1 - 2 / torch.pi) ** 0.5, rel=0.03)
