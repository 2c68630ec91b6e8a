from __future__ import annotations

import pytest
import torch

from pipeline.engines import PrepareSlices
from pipeline.errors import PipelineError
from pipeline.transforms import MaskedSquares, PaintedRectangles


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


def one_rectangle(size: int, seed: int) -> tuple[torch.Tensor, dict]:
    """Images whose brain is one pixel in the middle, each with at most one rectangle: where they changed."""
    torch.manual_seed(seed)
    brain = torch.zeros(400, 1, size, size, dtype=torch.bool)
    brain[:, :, size // 2, size // 2] = True
    data = {"image": 0.6 * brain.float(), "brain": brain}
    return PaintedRectangles(1)(data), data


@pytest.mark.parametrize("size", [64, 128])
def test_rectangles_are_as_large_as_stated_and_lie_around_a_pixel_of_the_brain(size: int) -> None:
    painted, data = one_rectangle(size, 0)
    changed = (painted != data["image"])[:, 0]
    there = changed.flatten(1).any(dim=1)
    assert 0.4 < there.float().mean() < 0.6, "each is there with probability one half"
    widths, heights, centre = [], [], size // 2
    for mask in changed[there]:
        rows, columns = mask.any(dim=1).nonzero()[:, 0], mask.any(dim=0).nonzero()[:, 0]
        assert int(mask.sum()) == len(rows) * len(columns), "a full rectangle"
        assert abs(rows.float().mean() - centre) <= 0.5 and abs(columns.float().mean() - centre) <= 0.5
        widths.append(len(columns) * 128 / size)
        heights.append(len(rows) * 128 / size)
    step = 128 / size  # of a pixel
    assert 3 - step / 2 <= min(widths) < 5 and 17 < max(widths) <= 19 + step / 2
    ratios = [height / width for height, width in zip(heights, widths, strict=True) if width > 12]
    assert 2 / 3 - 0.12 < min(ratios) < 0.8 and 1.15 < max(ratios) < 4 / 3 + 0.12


def test_intensity_is_one_value_between_the_75th_percentile_of_the_brain_and_1() -> None:
    data = batch()
    levels = []
    for seed in range(40):
        torch.manual_seed(seed)
        painted = PaintedRectangles(1)(data)
        for before, after, brain in zip(data["image"][:, 0], painted[:, 0], data["brain"][:, 0], strict=True):
            values = after[after != before].unique()
            assert len(values) <= 1
            darkest = torch.quantile(before[brain], 0.75)
            levels += ((values - darkest) / (1 - darkest)).tolist()
    assert 0 <= min(levels) < 0.05 and 0.95 < max(levels) <= 1


def test_rectangles_follow_the_seed_stay_in_the_frame_and_leave_the_target_clean() -> None:
    data = batch()
    data["brain"] = torch.ones_like(data["brain"])
    before = data["image"].clone()
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(PaintedRectangles()(data))
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert torch.equal(data["image"], before) and draws[0].shape == before.shape


def test_an_image_without_brain_is_not_painted() -> None:
    data = batch()
    data["brain"] = torch.zeros_like(data["brain"])
    torch.manual_seed(0)
    assert torch.equal(PaintedRectangles()(data), data["image"])
    with pytest.raises(PipelineError, match="number of painted rectangles must be at least 1, got 0"):
        PaintedRectangles(0)
