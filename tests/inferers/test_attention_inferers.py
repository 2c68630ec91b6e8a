from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pipeline.attention import STAGES, activation_map, grad_cam
from pipeline.errors import PipelineError
from pipeline.inferers import ActivationMap, GradCAM, LatentGradCAM
from pipeline.networks import ResNetAutoencoder

SIZE = 32


def setting() -> tuple[ResNetAutoencoder, torch.Tensor]:
    torch.manual_seed(0)
    return ResNetAutoencoder(SIZE, 3).eval(), torch.rand(5, 1, SIZE, SIZE)


INFERERS = [
    ActivationMap(2, chunk=2),
    GradCAM(chunk=2),
    GradCAM(stage=3, normalisation="sigmoid", chunk=2),
    GradCAM(weighting="none", normalisation="none", chunk=2),
    LatentGradCAM(chunk=2),
]


@pytest.mark.parametrize("inferer", INFERERS)
def test_a_slice_has_the_same_map_alone_and_in_any_company(inferer) -> None:
    network, volume = setting()
    with torch.no_grad():
        together = inferer(volume, network).map
        alone = torch.cat([inferer(one, network).map for one in volume.split(1)])
        at_once = replace(inferer, chunk=None)(volume, network).map
    assert together.shape == volume.shape and not together.requires_grad and together.isfinite().all()
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(together, at_once, atol=1e-5, rtol=1e-4)
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("stage", STAGES)
def test_an_activation_map_runs_no_stage_behind_its_own(stage: int) -> None:
    network, volume = setting()
    expected = activation_map(network.features(volume)[stage - 1], (SIZE, SIZE))
    for later in network.stages[stage:]:
        later.register_forward_hook(lambda *_: pytest.fail("a later stage ran"))
    assert torch.equal(ActivationMap(stage, chunk=None)(volume, network).map, expected)


def test_maps_are_normalised_slice_by_slice_and_inverted() -> None:
    network, volume = setting()
    found = GradCAM()(volume, network).map
    assert found.amin(dim=(1, 2, 3)).tolist() == [0] * 5 and found.amax(dim=(1, 2, 3)).tolist() == [1] * 5
    torch.testing.assert_close(GradCAM(invert=True)(volume, network).map, 1 - found)


def test_with_the_sigmoid_it_is_the_map_of_the_training() -> None:
    network, volume = setting()
    mu, _, features = network.encode(volume)
    expected = grad_cam(features[0], mu, (SIZE, SIZE)).detach()
    torch.testing.assert_close(GradCAM(normalisation="sigmoid", chunk=None)(volume, network).map, expected)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: GradCAM(stage=5), "unknown attention stage '5'; available: 1, 2, 3, 4"),
        (lambda: GradCAM(weighting="max"), "unknown weighting 'max'; available: gradients, none"),
        (lambda: GradCAM(normalisation="z"), "unknown normalisation 'z'; available: minmax, sigmoid, none"),
        (lambda: ActivationMap(0), "unknown attention stage '0'; available: 1, 2, 3, 4"),
        (lambda: LatentGradCAM(0), "unknown attention stage '0'; available: 1, 2, 3, 4"),
    ],
)
def test_other_choices_are_refused(make, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        make()
