"""The fitted floors against their laws and independent implementations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import TruncatedSVD

from pipeline.errors import PipelineError
from pipeline.inferers import ProjectionResidual, Scorer, StandardScore
from pipeline.networks import NormativeAtlas, PrincipalComponents, load_weights, save_weights


def cohort(scans: int = 12, size: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Slices of two heights, their mean and spread different at every pixel."""
    generator = torch.Generator().manual_seed(0)
    z = torch.tensor([4, 7]).repeat(scans)
    level = torch.rand(8, 1, size, size, generator=generator)[z]
    return 0.3 + 0.4 * level + 0.05 * (1 + level) * torch.rand(level.shape, generator=generator), z


def fitted(network: torch.nn.Module, image: torch.Tensor, z: torch.Tensor, size: int = 5) -> torch.nn.Module:
    for part, heights in zip(image.split(size), z.split(size), strict=True):
        network.partial_fit(part, {"brain": part > 0, "z": heights})
    network.finish()
    return network


def test_scores_of_the_cohort_have_mean_0_and_deviation_1_at_each_place() -> None:
    image, z = cohort()
    network = fitted(NormativeAtlas(sigma_px=0, sigma_slices=0, prior=0), image, z)
    scores = network(image, z)
    for height in (4, 7):
        of_height = scores[z == height]
        assert of_height.mean(dim=0).abs().max() < 1e-4
        torch.testing.assert_close(of_height.std(dim=0, correction=0), torch.ones(1, 8, 8), rtol=1e-4, atol=0)


def test_without_normal_brains_the_prior_speaks() -> None:
    image, z = cohort()
    image[..., :4] = 0
    network = fitted(NormativeAtlas(sigma_px=0), image, z)
    far = torch.full((1, 1, 8, 8), 0.6)
    assert network(far, torch.tensor([7]))[0, 0, 0, 0].item() == pytest.approx((0.6 - 0.4) / 0.1, rel=1e-5)
    assert torch.equal(network(far, torch.tensor([7])), network(far, torch.tensor([99]))), "the nearest known height"
    assert not network(torch.zeros(1, 1, 8, 8), torch.tensor([7])).any(), "outside the brain"


def test_neighbouring_heights_share_what_they_know_by_a_gaussian() -> None:
    image, z = torch.full((2, 1, 4, 4), 0.2), torch.tensor([0, 3])
    image[1] = 0.8
    network = fitted(NormativeAtlas(sigma_px=0, sigma_slices=3, prior=0), image, z)
    weight = np.exp(-0.5)
    assert network.mean[0, 0, 0, 0].item() == pytest.approx((0.2 + weight * 0.8) / (1 + weight), rel=1e-5)


def test_heights_of_the_slices_reach_the_network_through_the_scorer() -> None:
    image, z = cohort()
    network = fitted(NormativeAtlas(), image, z)
    scorer = Scorer(StandardScore(sigma_mm=(1.0, 1.0, 1.0)))
    assert torch.equal(
        scorer.map(image[:2], network, z[:2]), StandardScore(sigma_mm=(1, 1, 1)).at(z[:2])(image[:2], network).map
    )
    assert not torch.equal(scorer.map(image[:2], network, z[:2]), scorer.map(image[:2], network, z[:2].flip(0)))
    with pytest.raises(PipelineError, match="StandardScore needs the heights of the slices in the atlas: give z"):
        scorer.map(image[:2], network)


def test_what_was_fitted_comes_back_from_a_file(tmp_path: Path) -> None:
    image, z = cohort()
    network = fitted(NormativeAtlas(), image, z)
    save_weights(network, tmp_path / "model.pt")
    assert torch.equal(load_weights(NormativeAtlas(), tmp_path / "model.pt")(image, z), network(image, z))


@pytest.mark.parametrize("wrong", [{"sigma_px": -1.0}, {"prior": -0.1}])
def test_negative_widths_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(PipelineError, match="must be ≥ 0, got"):
        NormativeAtlas(**wrong)


def test_with_all_components_nothing_is_left() -> None:
    image, z = cohort()
    network = fitted(PrincipalComponents(components=24), image, z)
    assert ProjectionResidual(components=24).at(z)(image, network).map.abs().max() < 1e-5
    assert ProjectionResidual(components=3).at(z)(image, network).map.abs().max() > 1e-3


def test_components_are_those_of_scikit_learn() -> None:
    image, z = cohort(scans=60)  # two chunks
    network = fitted(PrincipalComponents(components=60), image, z)
    away = (image - network.normal.mean_at(z)).flatten(1).numpy()
    wanted = TruncatedSVD(4, algorithm="arpack").fit(away)
    drawn = image.flatten(1).numpy() - away + wanted.inverse_transform(wanted.transform(away))
    np.testing.assert_allclose(network(image, z, 4).flatten(1), drawn, atol=2e-3)


def test_no_component_is_refused() -> None:
    with pytest.raises(PipelineError, match="components must be at least 1, got 0"):
        PrincipalComponents(0)
