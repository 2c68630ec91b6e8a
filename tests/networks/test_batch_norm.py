from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.attention import STAGES, grad_cam
from pipeline.networks import ResNetAutoencoder, twice_differentiable


def layers() -> tuple[nn.BatchNorm2d, nn.BatchNorm2d, torch.Tensor]:
    torch.manual_seed(0)
    plain, ours = nn.BatchNorm2d(3).double(), nn.BatchNorm2d(3).double()
    with torch.no_grad():
        plain.weight.uniform_(0.5, 2)
        plain.bias.normal_()
    ours.load_state_dict(plain.state_dict())
    return plain, twice_differentiable(ours), torch.randn(4, 3, 5, 5, dtype=torch.float64)


def second_order(layer: nn.BatchNorm2d, image: torch.Tensor) -> list[torch.Tensor]:
    """Gradients of a loss of the output and of the gradient by the input, and the layer's state."""
    leaf = image.clone().requires_grad_()
    output = torch.tanh(1.3 * layer(leaf))
    gradient = torch.autograd.grad(output.square().sum(), leaf, create_graph=True)[0]
    loss = (gradient * torch.arange(25.0, dtype=leaf.dtype).view(5, 5)).sin().sum() + output.sum()
    loss.backward()
    return [leaf.grad, layer.weight.grad, layer.bias.grad, *layer.buffers()]


def test_first_and_second_derivatives_and_statistics_equal_those_of_torch() -> None:
    plain, ours, image = layers()
    for expected, found in zip(second_order(plain, image), second_order(ours, image), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_it_is_the_same_layer_in_evaluation_and_on_disk() -> None:
    plain, ours, image = layers()
    assert torch.equal(plain.eval()(image), ours.eval()(image))
    assert list(plain.state_dict()) == list(ours.state_dict())


def test_what_it_cannot_differentiate_is_refused() -> None:
    _, ours, image = layers()
    gradient = torch.autograd.grad(ours(image).square().sum(), ours.weight, create_graph=True)[0]
    with pytest.raises(NotImplementedError, match="second derivatives of the affine parameters' gradients"):
        gradient.sum().backward()


def gradients(network: nn.Module, image: torch.Tensor, stages: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """Of the parameters, by a loss of the logits and of the Grad-CAMs of some stages, in training mode."""
    output = network.train()(image, sample=False)
    maps = [grad_cam(output.features[stage - 1], output.mu, (16, 16), create_graph=True) for stage in stages]
    (output.logits.sin().mean() + 1e3 * sum((a - 0.3).square().mean() for a in maps)).backward()
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("stages", [(), STAGES])
def test_a_whole_network_has_the_gradients_of_the_untouched_one(stages: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    plain, ours = (ResNetAutoencoder(16, 4).double() for _ in range(2))
    ours.load_state_dict(plain.state_dict())
    image = torch.rand(3, 1, 16, 16, dtype=torch.float64)
    expected, found = gradients(plain, image, stages), gradients(twice_differentiable(ours), image, stages)
    assert list(found) == list(expected)
    for name in expected:
        scale = expected[name].abs().max().item()
        torch.testing.assert_close(found[name], expected[name], rtol=1e-7, atol=1e-9 * scale, msg=name)
    for a, b in zip(plain.buffers(), ours.buffers(), strict=True):
        torch.testing.assert_close(b, a)
