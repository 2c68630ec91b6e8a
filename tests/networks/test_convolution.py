from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.networks import twice_differentiable

LAYERS = [
    {"kernel_size": 3, "padding": 1, "stride": 2},
    {"kernel_size": 3, "padding": 1, "bias": False},
    {"kernel_size": 1, "stride": 2, "bias": False},
    {"kernel_size": 3, "dilation": 2, "groups": 2},
]


def layers(**options) -> tuple[nn.Conv2d, nn.Conv2d, torch.Tensor]:
    torch.manual_seed(0)
    plain, ours = nn.Conv2d(4, 6, **options).double(), nn.Conv2d(4, 6, **options).double()
    ours.load_state_dict(plain.state_dict())
    return plain, twice_differentiable(ours), torch.randn(2, 4, 8, 8, dtype=torch.float64)


def second_order(layer: nn.Conv2d, image: torch.Tensor) -> list[torch.Tensor]:
    """Gradients of a loss of the output and of the gradient by the input."""
    leaf = image.clone().requires_grad_()
    output = torch.tanh(layer(leaf))
    gradient = torch.autograd.grad(output.square().sum(), leaf, create_graph=True)[0]
    (gradient.sin().sum() + output.sum()).backward()
    return [leaf.grad, *(parameter.grad for parameter in layer.parameters())]


@pytest.mark.parametrize("options", LAYERS)
def test_first_and_second_derivatives_equal_those_of_torch(options: dict) -> None:
    plain, ours, image = layers(**options)
    for expected, found in zip(second_order(plain, image), second_order(ours, image), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("options", LAYERS)
def test_the_gradient_of_the_weight_can_be_differentiated_too(options: dict) -> None:
    found = []
    for layer in layers(**options)[:2]:
        image = layers(**options)[2].requires_grad_()
        loss = torch.tanh(layer(image)).square().sum()
        gradients = torch.autograd.grad(loss, [layer.weight, image], create_graph=True)
        found.append(torch.autograd.grad(sum(g.sin().sum() for g in gradients), [layer.weight, image]))
    for expected, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)


def test_it_is_the_same_layer_under_autocast_in_evaluation_and_on_disk() -> None:
    plain, ours, image = layers(**LAYERS[0])
    plain, ours, image = plain.float(), ours.float(), image.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected, found = plain(image), ours(image)
    assert found.dtype == torch.bfloat16 and torch.equal(found, expected)
    with torch.no_grad():
        assert torch.equal(plain(image), ours(image))
    assert list(plain.state_dict()) == list(ours.state_dict())


def test_only_what_a_backward_pass_asks_for_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.networks import convolution

    asked, native = [], convolution._native
    monkeypatch.setattr(convolution, "_native", lambda *a: (asked.append(a[-1]), native(*a))[1])
    _, ours, image = layers(**LAYERS[0])
    hidden = image.clone().requires_grad_() * 2
    loss = ours(hidden).square().sum()
    torch.autograd.grad(loss, hidden, retain_graph=True, create_graph=True)
    loss.backward()
    assert asked == [[True, False, False], [True, True, True]]
