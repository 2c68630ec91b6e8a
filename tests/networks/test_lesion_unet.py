"""The network that marks lesions knows what is normal where it looks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pipeline.data import normal_slices
from pipeline.engines import PrepareSlices
from pipeline.errors import PipelineError
from pipeline.handlers import FitFirst
from pipeline.networks import LesionUNet


@pytest.fixture
def fitted(tiny_dataset: Path) -> LesionUNet:
    torch.manual_seed(0)
    network = LesionUNet(image_size=32, filters=(4, 4))
    slices = normal_slices(tiny_dataset)
    FitFirst(network.atlas, slices, PrepareSlices())._fit(SimpleNamespace(state=SimpleNamespace(device="cpu")))
    return network.eval()


def test_the_atlas_is_the_mean_of_the_slices_and_their_mirror_images(fitted: LesionUNet, tiny_dataset: Path) -> None:
    mean = fitted.atlas.mean
    assert torch.allclose(mean, mean.flip(2), atol=1e-5), "left and right are alike"
    train = np.load(tiny_dataset / "slices" / "train_image.npy")[::3]  # those at the height of 60
    here = slice(10, 22)
    assert float(mean[60, 0, here, here].mean()) == pytest.approx(train[:, here, here].mean(), abs=0.02)


def test_the_map_of_a_mirror_image_is_the_mirrored_map_only_where_the_network_says_so(fitted: LesionUNet) -> None:
    image = torch.rand(2, 1, 32, 32)
    z = torch.tensor([60, 70])
    channels = fitted._channels(image, z)
    assert channels.shape == (2, 3, 32, 32)
    assert torch.allclose(fitted._channels(image.flip(2), z), channels.flip(2), atol=1e-4)


def test_another_height_is_another_normal(fitted: LesionUNet) -> None:
    fitted.atlas.mean[60] += 0.2
    image = torch.rand(1, 1, 32, 32)
    here, there = (fitted(image, torch.tensor([z])) for z in (60, 70))
    assert not torch.equal(here, there)


def test_weights_bring_their_atlas(fitted: LesionUNet) -> None:
    fresh = LesionUNet(image_size=32, filters=(4, 4))
    assert fresh.atlas.mean.numel() == 0
    fresh.load_state_dict(fitted.state_dict())
    image, z = torch.rand(1, 1, 32, 32), torch.tensor([65])
    assert torch.equal(fresh.eval()(image, z), fitted(image, z))


def test_a_size_that_the_levels_do_not_divide_is_refused() -> None:
    with pytest.raises(PipelineError, match="image_size must be a positive multiple of 16, got 40"):
        LesionUNet(image_size=40)
