"""Laws of the memory of normal patches, and the features that it compares."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from monai.networks.nets import BasicUNet
from sklearn.neighbors import NearestNeighbors
from torch import nn
from torch.nn.functional import avg_pool2d

from pipeline.errors import PipelineError
from pipeline.leaderboard import run_leaderboard
from pipeline.networks import PatchMemory, ScriptedFeatures, TappedFeatures, load_weights, save_weights
from pipeline.networks.patch_memory import farthest_first


class TwoScales(nn.Module):
    """Maps of two resolutions, without weights."""

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        return [torch.cat([image, image**2], dim=1), avg_pool2d(image, 2)]


def slices(number: int, seed: int) -> torch.Tensor:
    return 0.1 + 0.8 * torch.rand(number, 1, 16, 16, generator=torch.Generator().manual_seed(seed))


def fit(network: PatchMemory, image: torch.Tensor, size: int = 2) -> PatchMemory:
    for row, part in enumerate(image.split(size)):
        network.partial_fit(part, {"brain": part > 0, "row": torch.tensor([row * size])})
    network.finish()
    return network


def test_a_normal_slice_that_is_remembered_has_no_distance() -> None:
    image = slices(4, seed=0)
    memory = fit(PatchMemory(TwoScales(), size=4 * 16 * 16), image)
    assert memory(image).max() < 1e-3
    changed = image.clone()
    changed[0, 0, 4:8, 4:8] = 2.0
    far = memory(changed)
    assert far[0, 0, 5:7, 5:7].min() > 0.5 and far[0, 0, 12:, 12:].max() < 1e-3 and far[1:].max() < 1e-3


def test_distances_are_those_of_scikit_learn() -> None:
    memory = fit(PatchMemory(TwoScales(), size=50), slices(4, seed=0))
    new = slices(2, seed=1)
    points = memory._features(new).permute(0, 2, 3, 1).flatten(0, 2)
    wanted, _ = NearestNeighbors(n_neighbors=1).fit(memory.patches.numpy()).kneighbors(points.numpy())
    torch.testing.assert_close(memory(new).flatten(), torch.tensor(wanted[:, 0]).float(), atol=1e-4, rtol=0)


def test_the_memory_is_spread_better_than_a_random_one() -> None:
    points = torch.randn(2000, 4, generator=torch.Generator().manual_seed(0))
    chosen = farthest_first(points, 100)
    assert len(set(chosen.tolist())) == 100
    reach = [torch.cdist(points, points[rows]).amin(dim=1).max() for rows in (chosen, torch.arange(100))]
    assert reach[0] < 0.7 * reach[1]
    assert sorted(farthest_first(points[:3], 9).tolist()) == [0, 1, 2]


def test_patches_outside_the_brain_are_neither_kept_nor_scored() -> None:
    image = slices(2, seed=0)
    image[..., 8:] = 0
    memory = fit(PatchMemory(TwoScales(), size=1000), image)
    assert len(memory.patches) == 2 * 16 * 8 and not memory(image)[..., 8:].any()


def test_what_is_remembered_comes_back_from_a_file(tmp_path: Path) -> None:
    memory = fit(PatchMemory(TwoScales(), size=20), slices(2, seed=0))
    save_weights(memory, tmp_path / "model.pt")
    assert torch.equal(
        load_weights(PatchMemory(TwoScales()), tmp_path / "model.pt")(slices(1, 3)), memory(slices(1, 3))
    )


def test_features_of_parts_are_what_the_parts_return() -> None:
    network = BasicUNet(2, 1, 1, features=6 * (8,), upsample="nontrainable").eval()
    image = torch.rand(1, 1, 32, 32)
    found = TappedFeatures(network, ["conv_0", "down_1"])(image)
    assert torch.equal(found[0], network.conv_0(image)) and torch.equal(found[1], network.down_1(found[0]))
    assert not network.down_1._forward_hooks
    with pytest.raises(PipelineError, match=r"features of \['down_9'\] of BasicUNet; it has conv_0, down_1"):
        TappedFeatures(network, ["down_9"])
    with pytest.raises(PipelineError, match="a memory keeps at least one patch, got 0"):
        PatchMemory(TwoScales(), size=0)


METHOD = """
method: patch_memory_file
title: Patch memory, my features
parts: [fit]
features: {{_target_: pipeline.networks.ScriptedFeatures, path: "{path}", channels: 3}}
network_def: {{_target_: pipeline.networks.PatchMemory, features: "@features", size: 50}}
inferer: {{_target_: pipeline.inferers.NetworkMap, sigma_mm: [3.0, 3.0, 3.0], spacing_mm: "$@manifest['spacing_mm']"}}
"""


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_torchscript_file_is_a_feature_network(tiny_dataset: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU()).eval()
    path = tmp_path / "features.pt"
    torch.jit.trace(network, torch.zeros(1, 3, 16, 16)).save(str(path))
    image = slices(2, seed=0)
    torch.testing.assert_close(ScriptedFeatures(str(path), channels=3)(image)[0], network(image.expand(-1, 3, -1, -1)))
    (tmp_path / "method.yaml").write_text(METHOD.format(path=path))
    results = run_leaderboard([str(tmp_path / "method.yaml")], tiny_dataset, tmp_path / "runs")
    assert 0 < results["auprc"].item() <= 1


def test_what_is_no_feature_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="no feature network 'missing.pt': give the path of a TorchScript file"):
        ScriptedFeatures("missing.pt")
    (tmp_path / "text.pt").write_text("no network")
    with pytest.raises(PipelineError, match="is no TorchScript file: "):
        ScriptedFeatures(str(tmp_path / "text.pt"))
