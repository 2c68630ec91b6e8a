"""Laws of noise and corruptions that are learnt to be undone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from monai.networks.nets import BasicUNet

from pipeline.data import normal_slices
from pipeline.engines import PrepareCorruptedSlices
from pipeline.errors import PipelineError
from pipeline.inferers import OneStepResidual, Residual
from pipeline.losses import BrainSquaredError
from pipeline.painting import GradualCorruption, Neighbours
from pipeline.transforms import CoarseNoise


@pytest.fixture(scope="module")
def corruption(tiny_dataset: Path) -> GradualCorruption:
    return GradualCorruption(Neighbours(normal_slices(tiny_dataset)), size=32, spacing_mm=7.5)


def disc(size: int = 32) -> tuple[np.ndarray, np.ndarray]:
    brain = np.hypot(*(np.mgrid[:size, :size] - (size - 1) / 2)) < 0.4 * size
    return (0.4 * brain).astype(np.float32), brain


def test_a_corruption_is_exact_where_its_mask_is_0(corruption: GradualCorruption) -> None:
    image, brain = disc()
    degrees = []
    for seed in range(60):
        found = corruption(np.random.default_rng(seed), image, brain)
        outside = found.mask == 0
        assert np.array_equal(found.image[outside], image[outside]) and outside[~brain].all()
        assert found.image.min() >= 0 and found.image.max() <= 1 and found.image[brain].min() > 0
        changed = np.abs(found.image - image)
        assert (changed <= found.mask * found.degree / max(found.mask.max(), 1e-9) + 1e-6).all(), (
            "no more than its degree"
        )
        assert (found.degree == 0) == (not changed.any())
        degrees.append(found.degree)
    assert 0 < degrees.count(0.0) < 20 and max(degrees) > 0.8


def test_prepared_slices_carry_their_degree_and_what_they_were(
    corruption: GradualCorruption, tiny_dataset: Path
) -> None:
    data = normal_slices(tiny_dataset)
    items = [data[index] for index in range(6)]
    batch = {key: torch.stack([item[key] for item in items]) for key in ("image", "brain")}
    prepare = PrepareCorruptedSlices(corruption)
    torch.manual_seed(3)
    image, target, _, more = prepare(batch, "cpu")
    torch.manual_seed(3)
    assert torch.equal(prepare(batch, "cpu")[0], image) and torch.equal(target["image"], batch["image"])
    same = (image == batch["image"]).flatten(1).all(dim=1)
    assert torch.equal(same, more["degree"] == 0) and not same.all()


def test_noise_is_exact_where_the_brain_is_not_and_as_coarse_as_its_cells() -> None:
    image, brain = (torch.from_numpy(part)[None, None].expand(40, 1, 32, 32) for part in disc())
    torch.manual_seed(0)
    noise = CoarseNoise(sigma=0.2, cells=4)({"image": image, "brain": brain}) - image
    assert not noise[~brain].any()
    inside = noise[..., 16, 8:24]
    step = (inside[..., 1:] - inside[..., :-1]).std() / inside.std()
    assert step < 0.3, "neighbours in a cell of 8 px are alike; of white noise this is 1.4"
    assert torch.equal(CoarseNoise(sigma=0)({"image": image, "brain": brain}), image)
    with pytest.raises(PipelineError, match="coarse noise needs sigma ≥ 0 and at least one cell, got -1 and 16"):
        CoarseNoise(sigma=-1)


def test_without_noise_a_denoising_network_learns_the_identity() -> None:
    torch.manual_seed(0)
    image = torch.rand(8, 1, 16, 16)
    batch = {"image": image, "brain": torch.ones_like(image, dtype=torch.bool)}
    network = BasicUNet(2, 1, 1, features=6 * (8,), norm=("group", {"num_groups": 4}), upsample="nontrainable")
    optimizer, loss = torch.optim.Adam(network.parameters(), 1e-2), BrainSquaredError()
    for _ in range(120):
        optimizer.zero_grad()
        error = loss(network(CoarseNoise(sigma=0)(batch)), batch)
        error.backward()
        optimizer.step()
    assert error < 0.05 * image.var(), "of an image whose pixels tell nothing of each other"
    residual = Residual()(image, network.eval()).map
    assert residual.mean() < 0.2 * image.std()


def test_the_error_outside_the_brain_is_none() -> None:
    image = torch.zeros(1, 1, 2, 2)
    brain = torch.tensor([[[[True, False], [True, False]]]])
    drawn = torch.tensor([[[[1.0, 9.0], [3.0, 9.0]]]])
    assert BrainSquaredError()(drawn, {"image": image, "brain": brain}).item() == 5.0


def test_a_perfect_restorer_leaves_what_was_added_and_no_more() -> None:
    image = torch.from_numpy(disc()[0])[None, None]
    lesion = torch.zeros_like(image)
    lesion[..., 14:18, 14:18] = 0.3
    scored = OneStepResidual()(image + lesion, lambda x, degree: image.expand_as(x))
    torch.testing.assert_close(scored.map, lesion)
    assert torch.equal(scored.reconstruction, image)
