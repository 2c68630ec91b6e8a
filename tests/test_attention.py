from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.autograd.functional import jacobian
from torch.nn.functional import interpolate

from pipeline.attention import (
    STAGES,
    activation_map,
    at_least_float32,
    enlarge,
    enlarge_by_products,
    grad_cam,
    latent_grad_cam,
    min_max,
)
from pipeline.errors import PipelineError
from pipeline.networks import ResNetAutoencoder

SIZE = (32, 32)


def encoder(size: int = 32, latent: int = 4) -> ResNetAutoencoder:
    torch.manual_seed(0)
    return ResNetAutoencoder(size, latent).eval()


class SmallEncoder(nn.Module):
    """Two smooth convolutions and a linear layer: features [N, 3, 4, 4] and mu [N, 2] of images [N, 1, 8, 8]."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(1, 3, 3, stride=2, padding=1)
        self.second = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.to_mu = nn.Linear(16, 2)

    def features(self, image: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.softplus(self.first(image))

    def mu(self, features: torch.Tensor) -> torch.Tensor:
        return self.to_mu(torch.tanh(self.second(features)).flatten(1))


def by_hooks(network: ResNetAutoencoder, image: torch.Tensor, stage: int) -> torch.Tensor:
    """Raw Grad-CAM of one image, by forward and backward hooks: an implementation of its own."""
    kept: dict[str, torch.Tensor] = {}
    module = network.stages[stage - 1]
    handles = [
        module.register_forward_hook(lambda m, i, o: kept.update(features=o.detach())),
        module.register_full_backward_hook(lambda m, i, o: kept.update(gradient=o[0])),
    ]
    network(image).mu.sum().backward()
    for handle in handles:
        handle.remove()
    network.zero_grad()
    alpha = kept["gradient"][0].mean(dim=(1, 2))
    return sum(a * f for a, f in zip(alpha, kept["features"][0], strict=True))


@pytest.mark.parametrize("stage", STAGES)
def test_grad_cam_equals_an_implementation_by_hooks_image_by_image(stage: int) -> None:
    network, images = encoder(), torch.rand(3, 1, *SIZE)
    mu, _, features = network.encode(images)
    ours = grad_cam(features[stage - 1], mu, SIZE)
    for image, found in zip(images, ours, strict=True):
        raw = by_hooks(network, image[None], stage)
        expected = interpolate(torch.sigmoid(raw)[None, None], SIZE, mode="bilinear", align_corners=True)[0]
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)


def test_without_weighting_it_is_the_sigmoid_of_the_channel_mean() -> None:
    network = encoder()
    mu, _, features = network.encode(torch.rand(2, 1, *SIZE))
    mean = torch.sigmoid(features[0].mean(dim=1, keepdim=True))
    expected = interpolate(mean, SIZE, mode="bilinear", align_corners=True)
    assert torch.equal(grad_cam(features[0], mu, SIZE, weighting="none"), expected)
    assert torch.equal(activation_map(features[0], SIZE, "sigmoid"), expected)


def test_grad_cam_of_a_linear_latent_is_known() -> None:
    features = torch.rand(2, 3, 4, 4, requires_grad=True)
    weights = torch.tensor([1.0, -2.0, 0.5])
    mu = (features.sum(dim=(2, 3)) * weights)[:, :, None].flatten(1)
    expected = torch.einsum("k,nkhw->nhw", weights, features)[:, None]
    torch.testing.assert_close(grad_cam(features, mu, (4, 4), activation="none"), expected)


def test_second_order_gradients_in_float64() -> None:
    network = SmallEncoder().double()
    image = torch.rand(2, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    names, values = zip(*network.named_parameters(), strict=True)

    def attention(image: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        given = dict(zip(names, parameters, strict=True))
        features = torch.func.functional_call(_Part(network, "features"), _prefixed(given), (image,))
        mu = torch.func.functional_call(_Part(network, "mu"), _prefixed(given), (features,))
        return grad_cam(features, mu, (8, 8), create_graph=True)

    assert torch.autograd.gradcheck(attention, (image, *values))


class _Part(nn.Module):
    """One method of a module as its forward pass, for `functional_call`."""

    def __init__(self, module: nn.Module, method: str) -> None:
        super().__init__()
        self.module = module
        self.method = method

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return getattr(self.module, self.method)(x)


def _prefixed(parameters: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"module.{name}": value for name, value in parameters.items()}


def test_grad_cam_of_single_latents_equals_the_jacobian() -> None:
    network, image = SmallEncoder(), torch.rand(3, 1, 8, 8)
    features = network.features(image).detach().requires_grad_()
    ours = latent_grad_cam(features, network.mu(features), (4, 4))
    for index, found in enumerate(ours):
        one = features[index : index + 1]
        alpha = jacobian(network.mu, one)[0, :, 0].mean(dim=(2, 3))  # [d, K]
        expected = torch.relu(torch.einsum("dk,khw->dhw", alpha, one[0])).mean(dim=0)
        torch.testing.assert_close(found[0], expected)


def test_one_latent_is_the_rectified_grad_cam() -> None:
    features = torch.randn(2, 3, 4, 4, requires_grad=True)
    mu = features.square().sum(dim=(1, 2, 3))[:, None]
    expected = torch.relu(grad_cam(features, mu, (4, 4), activation="none", create_graph=True))
    torch.testing.assert_close(latent_grad_cam(features, mu, (4, 4)), expected)


@pytest.mark.parametrize("size", [64, 96, 128, 224])
def test_maps_of_every_stage_have_the_size_of_the_image(size: int) -> None:
    network = encoder(size, 2)
    mu, _, features = network.encode(torch.rand(1, 1, size, size))
    for stage in STAGES:
        attention = grad_cam(features[stage - 1], mu, (size, size), create_graph=True)
        assert attention.shape == activation_map(features[stage - 1], (size, size)).shape == (1, 1, size, size)
        assert attention.min() > 0 and attention.max() < 1


def test_copies_of_the_output_are_refused() -> None:
    features = torch.rand(1, 2, 4, 4, requires_grad=True)
    mu = features.sum(dim=(2, 3))
    with pytest.raises(
        PipelineError, match="needs features that the latent means are computed from: .*static_graph=False"
    ):
        grad_cam(features.clone(), mu, (4, 4))


def test_min_max_ends_at_0_and_1_image_by_image_and_is_0_for_a_flat_map() -> None:
    torch.manual_seed(0)
    attention = torch.cat([torch.randn(2, 1, 4, 4), torch.full((1, 1, 4, 4), 3.0)])
    found = min_max(attention)
    assert found.amin(dim=(1, 2, 3)).tolist() == [0, 0, 0]
    assert found.amax(dim=(1, 2, 3)).tolist() == [1, 1, 0]


def test_normalised_channels_have_the_same_say() -> None:
    torch.manual_seed(0)
    features = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    features[:, 2] = 0.5
    scale, shift = torch.tensor([10.0, 0.2, 1.0])[:, None, None], torch.tensor([-3.0, 5.0, 0.0])[:, None, None]
    found = activation_map(features, (8, 8), normalisation="instance")
    spread = features.std(dim=(2, 3), correction=0, keepdim=True).clamp_min(1e-9)
    expected = ((features - features.mean(dim=(2, 3), keepdim=True)) / spread).mean(dim=1, keepdim=True)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(
        activation_map(features * scale + shift, (8, 8), normalisation="instance"), found, rtol=2e-3, atol=2e-3
    )


def test_half_precision_is_widened_and_double_kept() -> None:
    given = (torch.bfloat16, torch.float16, torch.float32, torch.float64)
    widened = [at_least_float32(torch.zeros(1, dtype=dtype)).dtype for dtype in given]
    assert widened == [torch.float32, torch.float32, torch.float32, torch.float64]


def test_a_compiled_network_trains_activation_maps_and_refuses_grad_cam() -> None:
    network = SmallEncoder()
    image = torch.rand(2, 1, 8, 8)
    both = lambda x: (f := network.features(x), network.mu(f))  # noqa: E731
    compiled = torch.compile(both, backend="aot_eager")

    def gradient(forward) -> torch.Tensor:
        network.zero_grad()
        activation_map(forward(image)[0], (8, 8)).square().sum().backward()
        return network.first.weight.grad.clone()

    torch.testing.assert_close(gradient(compiled), gradient(both))
    with pytest.raises(PipelineError, match="no torch.compile"):
        grad_cam(*compiled(image), (8, 8), create_graph=True)


@pytest.mark.parametrize("size", [(32, 32), (7, 20), (4, 6)])
def test_enlarging_by_products_is_enlarging(size: tuple[int, int]) -> None:
    small = torch.randn(3, 1, 4, 6, dtype=torch.float64, requires_grad=True)
    cotangent = torch.randn(3, 1, *size, dtype=torch.float64)
    maps = [function(small, size) for function in (enlarge, enlarge_by_products)]
    torch.testing.assert_close(*maps)
    torch.testing.assert_close(*(torch.autograd.grad(found, small, cotangent)[0] for found in maps))
