from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_erosion
from torch import nn

from pipeline.attention import STAGES, activation_map, grad_cam
from pipeline.errors import PipelineError
from pipeline.losses import ActivationEntropy, Linear, LogBarrier, Objective, Quadratic, SizeConstraint, spatial_entropy
from pipeline.losses.regions import REGIONS, batch_mask
from pipeline.networks import ResNetAutoencoder

SIZE = 32


def passed(dtype: torch.dtype = torch.float32):
    """A network in evaluation mode, its output and the batch."""
    torch.manual_seed(0)
    network = ResNetAutoencoder(SIZE, 4).eval().to(dtype)
    brain = torch.zeros(3, 1, SIZE, SIZE, dtype=torch.bool)
    brain[:, :, 6:26, 8:24] = True
    image = torch.rand(3, 1, SIZE, SIZE, dtype=dtype) * brain
    return network, network(image), {"image": image, "brain": brain}


@pytest.mark.parametrize("level", ["image", "pixel"])
@pytest.mark.parametrize("penalty", [LogBarrier(10.0), LogBarrier(2.0), Quadratic(), Linear()])
@pytest.mark.parametrize("slack", [0.0, 0.6])
def test_gradients_of_every_constraint_in_float64(level: str, penalty: nn.Module, slack: float) -> None:
    torch.manual_seed(0)
    attention = torch.rand(2, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    region = torch.rand(2, 1, 4, 4) > 0.3
    constraint = SizeConstraint(penalty, level, slack=slack)
    assert torch.autograd.gradcheck(lambda a: constraint.of_map(a, region), (attention,))


def test_on_its_linear_branch_the_barrier_pulls_with_weight_times_t_whatever_the_map() -> None:
    """With t = 10 and a sigmoid map the gradient with respect to mean(a) is exactly −λ t."""
    torch.manual_seed(0)
    weight, t, frame = 1000.0, 10.0, torch.ones(3, 1, 8, 8, dtype=torch.bool)
    raw = torch.randn(3, 1, 8, 8, dtype=torch.float64) * torch.tensor([0.1, 3.0, 30.0])[:, None, None, None]
    attention = torch.sigmoid(raw).requires_grad_()
    total = weight * SizeConstraint(LogBarrier(t)).of_map(attention, frame).sum()
    gradient = torch.autograd.grad(total, attention)[0] * frame[0].sum()  # d mean / d a = 1 / pixels
    assert torch.equal(gradient, torch.full_like(gradient, -weight * t))


@pytest.mark.parametrize("t", [10.0, 100.0])
def test_only_a_slack_above_one_over_t_squared_reaches_the_logarithm(t: float) -> None:
    """Of a map near 1 everywhere, as of any sigmoid map, the barrier is linear with a smaller slack."""
    frame, edge = torch.ones(1, 1, 8, 8, dtype=torch.bool), 1 / t**2
    attention = torch.full((1, 1, 8, 8), 1 - 1e-9, dtype=torch.float64, requires_grad=True)
    slopes = []
    for slack in (0.0, edge, 2 * edge):
        value = SizeConstraint(LogBarrier(t), slack=slack).of_map(attention, frame).sum()
        slopes.append(torch.autograd.grad(value, attention)[0].sum().item())
    assert slopes == pytest.approx([-t, -t, -t / 2], rel=1e-4), "of −log(−z)/t, z = −2/t²: −1/(t z)"


def test_image_level_is_the_penalty_of_one_minus_the_mean() -> None:
    attention, frame = torch.rand(4, 1, 8, 8), torch.ones(4, 1, 8, 8, dtype=torch.bool)
    found = SizeConstraint(Quadratic(), slack=0.01).of_map(attention, frame)
    torch.testing.assert_close(found, (1 - attention.mean(dim=(1, 2, 3)) - 0.01).clamp_min(0).square())


def test_one_constraint_an_image_is_weaker_than_one_a_pixel() -> None:
    torch.manual_seed(0)
    attention, frame = torch.rand(4, 1, 8, 8), torch.ones(4, 1, 8, 8, dtype=torch.bool)
    image, pixel = (SizeConstraint(Quadratic(), level).of_map(attention, frame) for level in ("image", "pixel"))
    torch.testing.assert_close(pixel, (1 - attention).square().mean(dim=(1, 2, 3)))
    assert (pixel > image).all(), "Jensen"
    torch.testing.assert_close(
        *(SizeConstraint(Linear(), level).of_map(attention, frame) for level in ("image", "pixel"))
    )


def test_what_lies_outside_the_region_does_not_matter_and_no_region_costs_nothing() -> None:
    attention = torch.rand(2, 1, 8, 8, requires_grad=True)
    region = torch.zeros(2, 1, 8, 8, dtype=torch.bool)
    region[0, :, 2:5, 2:5] = True
    found = SizeConstraint(LogBarrier(10.0)).of_map(attention, region)
    gradient = torch.autograd.grad(found.sum(), attention)[0]
    assert found[1] == 0 and not gradient[~region].any() and gradient.isfinite().all()


@pytest.mark.parametrize("stage", STAGES)
def test_the_term_is_that_of_the_grad_cam_summed_over_images(stage: int) -> None:
    _, output, batch = passed()
    constraint = SizeConstraint(LogBarrier(10.0), stage=stage)
    attention = grad_cam(output.features[stage - 1], output.mu, (SIZE, SIZE), create_graph=True)
    expected = constraint.of_map(attention, REGIONS["frame"](batch)).sum()
    torch.testing.assert_close(constraint(output, batch), expected)


@pytest.mark.parametrize("region", list(REGIONS))
def test_entropy_of_each_region_and_activation(region: str) -> None:
    _, output, batch = passed()
    for activation in ("none", "sigmoid"):
        attention = activation_map(output.features[1], (SIZE, SIZE), activation)
        expected = -spatial_entropy(attention, REGIONS[region](batch)).mean()
        torch.testing.assert_close(ActivationEntropy(2, region, activation)(output, batch), expected)


def test_the_mask_of_a_batch_is_the_eroded_union() -> None:
    torch.manual_seed(0)
    image = torch.zeros(2, 1, 24, 24)
    image[0, 0, 4:14, 0:16] = torch.rand(10, 16) + 0.1
    image[1, 0, 8:20, 6:22] = torch.rand(12, 16) + 0.1
    union = (image[:, 0] != 0).any(dim=0).numpy()
    found = batch_mask({"image": image, "brain": image > 0})
    np.testing.assert_array_equal(found[0, 0].numpy(), binary_erosion(union, np.ones((6, 6))))
    assert torch.equal(found[0], found[1]) and found.shape == image.shape


@pytest.mark.parametrize(
    "constraint",
    [
        ActivationEntropy(),
        SizeConstraint(LogBarrier(10.0)),
        SizeConstraint(Quadratic(), level="pixel", stage=2, region="brain"),
    ],
)
def test_gradient_of_a_constraint_equals_finite_differences(constraint: nn.Module) -> None:
    """Without the reconstruction, whose slope is 10⁴ times as steep: beside it no error in the constraint's shows."""
    network, _, batch = passed(torch.float64)
    batch["image"] = torch.rand_like(batch["image"])  # on air the ReLUs lie at their kink
    term = lambda: constraint(network(batch["image"], sample=False), batch)  # noqa: E731
    term().backward()
    parameters = list(network.parameters())
    directions = [torch.randn_like(p) * p.abs().mean() for p in parameters]
    slope = sum((p.grad * d).sum() for p, d in zip(parameters, directions, strict=True) if p.grad is not None)
    # Grad-CAM jumps where a ReLU switches, so the step is small enough that none of them does
    step, values = 1e-6, []
    for sign in (1, -2):
        with torch.no_grad():
            for parameter, direction in zip(parameters, directions, strict=True):
                parameter += sign * step * direction
        values.append(term().item())
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(slope.item(), rel=1e-3)


def test_reductions_of_the_published_code() -> None:
    _, output, batch = passed()
    paper, code = Objective(), Objective(pixels="mean", kl_images="sum")
    paper(output, batch), code(output, batch)
    torch.testing.assert_close(code.terms["reconstruction"] * SIZE**2, paper.terms["reconstruction"])
    torch.testing.assert_close(code.terms["kl"], paper.terms["kl"] * 3)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: SizeConstraint(Linear(), level="volume"), "unknown level 'volume'; available: image, pixel"),
        (lambda: SizeConstraint(Linear(), stage=0), "unknown attention stage '0'; available: 1, 2, 3, 4"),
        (
            lambda: SizeConstraint(Linear(), region="skull"),
            "unknown region 'skull'; available: brain, batch_mask, frame",
        ),
        (lambda: SizeConstraint(Linear(), weighting="max"), "unknown weighting 'max'; available: gradients, none"),
        (lambda: ActivationEntropy(activation="tanh"), "unknown activation 'tanh'; available: sigmoid, none"),
        (lambda: Objective(pixels="max"), "unknown pixels 'max'; available: sum, mean"),
        (lambda: Objective(kl_images="max"), "unknown kl_images 'max'; available: sum, mean"),
    ],
)
def test_other_choices_are_refused(make, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        make()
