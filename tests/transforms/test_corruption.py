from __future__ import annotations

import pytest
import torch

from pipeline.engines import PrepareSlices
from pipeline.errors import PipelineError
from pipeline.transforms import MaskedSquares


def batch(size: int = 50) -> dict:
    torch.manual_seed(0)
    brain = torch.zeros(6, 1, size, size, dtype=torch.bool)
    brain[:, :, 10:40, 10:40] = True
    return {"image": 0.5 + torch.rand(6, 1, size, size) / 2, "brain": brain}


@pytest.mark.parametrize("count, side, pixels", [(1, 0.2, 10), (3, 0.125, 6), (4, 0.5, 25), (1, 1.0, 50)])
def test_masks_have_the_stated_area(count: int, side: float, pixels: int) -> None:
    data = batch()
    before = data["image"].clone()
    masked = MaskedSquares(count, side)(data)
    assert torch.equal(data["image"], before), "the target stays clean"
    changed = masked != before
    assert (changed.flatten(1).sum(dim=1) == count * pixels**2).all()
    assert (masked[changed] == 0).all()


def test_masks_lie_in_the_brain_where_there_is_room() -> None:
    data = batch()
    changed = MaskedSquares(2, 0.1, value=0.1)(data) != data["image"]
    reach = data["brain"].float()
    inside = torch.nn.functional.max_pool2d(reach, 7, 1, 3) > 0  # centres are in the brain, half a square may stick out
    assert not (changed & ~inside).any()


def test_masks_follow_the_seed_and_differ_between_images() -> None:
    def draw(seed: int) -> torch.Tensor:
        data = batch()
        torch.manual_seed(seed)
        return MaskedSquares()(data) != data["image"]

    assert torch.equal(draw(1), draw(1)) and not torch.equal(draw(1), draw(2))
    assert not torch.equal(draw(1)[0], draw(1)[1])


@pytest.mark.parametrize("count, side", [(5, 0.5), (0, 0.1), (1, 0.0), (1, 1.5)])
def test_squares_that_do_not_fit_are_refused(count: int, side: float) -> None:
    with pytest.raises(PipelineError, match=f"{count} squares of side {side} do not fit"):
        MaskedSquares(count, side)


def test_the_network_sees_the_corruption_and_the_loss_the_image() -> None:
    data = {**batch(), "scan": 6 * ["a"]}
    inputs, target = PrepareSlices(corruption=MaskedSquares())(data, "cpu")
    assert not torch.equal(inputs, data["image"]) and torch.equal(target["image"], data["image"])
    assert torch.equal(PrepareSlices()(data, "cpu")[0], data["image"])
