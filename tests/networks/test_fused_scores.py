"""Laws of joined p-values."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from scipy.stats import combine_pvalues, kstest, spearmanr
from torch import nn

from pipeline.contracts import Scored
from pipeline.errors import PipelineError
from pipeline.inferers import StandardScore
from pipeline.networks import FusedScores, NormativeAtlas, load_weights, save_weights

SIZE = 24


def cohort(scans: int, seed: int, steps: float = 0.3) -> list[dict]:
    """Slices of three heights a scan, all brain, gamma-distributed about a level of their place."""
    generator = torch.Generator().manual_seed(seed)
    noise = -torch.rand(scans, 3, 1, SIZE, SIZE, 4, generator=generator).log().sum(dim=-1)
    level = torch.linspace(0.2, 0.2 + steps, SIZE).expand(SIZE, SIZE)
    names, z = [f"sub-{index}" for index in range(scans)], torch.tensor([4, 7, 10])
    return [{"image": level + 0.03 * part, "z": z, "scan": 3 * [name], "row": 3 * index + torch.arange(3)}
            for index, (name, part) in enumerate(zip(names, noise, strict=True))]  # fmt: skip


def fit(network: FusedScores, scans: list[dict]) -> FusedScores:
    for batch in scans:
        network.partial_fit(batch["image"], batch)
    network.finish()
    return network


def p_values(network: FusedScores, scans: list[dict]) -> torch.Tensor:
    maps = torch.cat([StandardScore().at(one["z"])(one["image"], network).map for one in scans])
    return 1 - torch.special.ndtr(maps.double().flatten())


def of_half(part: slice):
    """An inferer that sees half of the plane in both halves: two maps that have nothing in common."""
    return lambda inputs, network: Scored(torch.cat(2 * [inputs[..., part]], dim=-1) ** 3)


def squared(inputs: torch.Tensor, network: nn.Module) -> Scored:
    return Scored(inputs**2)


@pytest.fixture(scope="module")
def fitted() -> FusedScores:
    maps = {"squared": squared, "normative": StandardScore()}
    return fit(FusedScores(maps, {"normative": NormativeAtlas()}), cohort(16, seed=0))


def test_p_values_of_new_normals_are_uniform(fitted: FusedScores) -> None:
    found = p_values(fitted, cohort(12, seed=1))
    assert kstest(found.numpy(), "uniform").statistic < 0.02
    assert (found < 0.01).double().mean().item() == pytest.approx(0.01, abs=0.003)


def test_of_independent_maps_they_are_those_of_scipy() -> None:
    left, right = slice(0, SIZE // 2), slice(SIZE // 2, SIZE)
    network = fit(FusedScores({"left": of_half(left), "right": of_half(right)}), cohort(16, seed=0, steps=0))
    torch.testing.assert_close(network.weights, torch.full((2,), 0.5), atol=0.02, rtol=0)
    new = cohort(4, seed=2, steps=0)
    joined = p_values(network, new).view(-1, SIZE, SIZE)[..., : SIZE // 2].flatten()[::40]
    single = [
        p_values(fit(FusedScores({"one": of_half(half)}), cohort(16, seed=0, steps=0)), new) for half in (left, right)
    ]
    pairs = torch.stack([p.view(-1, SIZE, SIZE)[..., : SIZE // 2].flatten()[::40] for p in single], dim=1)
    wanted = [combine_pvalues(pair, method="stouffer").pvalue for pair in pairs.numpy()]
    torch.testing.assert_close(joined, torch.tensor(wanted, dtype=torch.float64), atol=0.02, rtol=0)


def test_a_map_that_is_there_twice_shares_its_vote() -> None:
    other = of_half(slice(0, SIZE // 2))
    network = fit(FusedScores({"one": squared, "same": squared, "other": other}), cohort(8, seed=0))
    assert network.weights[:2].sum().item() == pytest.approx(network.weights[2].item(), abs=0.12)
    assert network.weights[0].item() == pytest.approx(network.weights[1].item(), abs=1e-5)


def test_higher_scores_stay_higher_beyond_all_healthy_pixels() -> None:
    network = fit(FusedScores({"squared": squared}), cohort(8, seed=0))
    image = torch.linspace(0.05, 9, SIZE * SIZE).view(1, 1, SIZE, SIZE)
    order = spearmanr(network(image, torch.tensor([7])).flatten(), image.flatten()).statistic
    assert order == pytest.approx(1, abs=1e-6)
    assert not network(torch.zeros(1, 1, SIZE, SIZE), torch.tensor([7])).any(), "outside the brain"


def test_what_was_fitted_comes_back_from_a_file(fitted: FusedScores, tmp_path: Path) -> None:
    save_weights(fitted, tmp_path / "model.pt")
    empty = FusedScores(fitted.maps, {"normative": NormativeAtlas()})
    one = cohort(1, seed=3)[0]
    loaded = load_weights(empty, tmp_path / "model.pt")
    assert torch.equal(loaded(one["image"], one["z"]), fitted(one["image"], one["z"]))


def test_what_cannot_be_joined_is_refused() -> None:
    with pytest.raises(PipelineError, match=r"fused maps: squared; networks without a map: \['other'\]"):
        FusedScores({"squared": squared}, {"other": nn.Identity()})
    with pytest.raises(PipelineError, match="fused maps need at least 2 normal scans to learn from, got 1"):
        fit(FusedScores({"squared": squared}), cohort(1, seed=0))
