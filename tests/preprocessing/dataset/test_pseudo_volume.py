"""Slices of the right places, sizes and world coordinates."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from preprocessing.dataset.pseudo_volume import (
    PseudoVolumed,
    area_average,
    area_weights,
    central_slices,
    grid_affine,
    nearest,
    slice_areas,
)
from preprocessing.errors import PreprocessingError

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("slices", "step", "expected"),
    [(10, 1, list(range(73, 83))), (3, 1, [76, 77, 78]), (4, 3, [73, 76, 79, 82]), (1, 5, [77])],
)
def test_slices_lie_around_the_centre(slices: int, step: int, expected: list[int]) -> None:
    assert central_slices(slices, step, 77) == expected


@pytest.mark.parametrize("new", [1, 7, 96, 100, 224, 240, 300])
def test_area_weights_cover_every_pixel_evenly(new: int) -> None:
    weights = area_weights(240, new)
    assert_allclose(weights.sum(axis=1), 1)
    assert_allclose(weights.sum(axis=0), new / 240)


def test_average_of_whole_blocks() -> None:
    image = RNG.random((2, 12, 12))
    blocks = image.reshape(2, 4, 3, 4, 3).mean(axis=(2, 4))
    assert_allclose(area_average(image, np.ones_like(image, bool), 4), blocks, rtol=1e-6)


def test_average_counts_brain_only() -> None:
    brain = RNG.random((1, 24, 24)) < 0.5
    image = np.where(brain, 0.6, 55)
    result = area_average(image, brain, 10)
    assert_allclose(result[result > 0], 0.6, rtol=1e-6)


def test_same_size_changes_nothing() -> None:
    image, brain = RNG.random((2, 16, 16)), RNG.random((2, 16, 16)) < 0.6
    assert_allclose(area_average(image, brain, 16), image * brain, rtol=1e-6)
    assert_array_equal(nearest(brain, 16), brain)


def test_transform_keeps_image_brain_and_lesion_together() -> None:
    brain = np.zeros((60, 60, 39), bool)
    brain[10:50, 12:48, 3:36] = True
    image = np.where(brain, 0.3, 0).astype(np.float32)
    lesion = np.zeros_like(brain)
    lesion[20:26, 20:26, 15:25] = True
    result = PseudoVolumed(size=30, slices=5, step=2, centre=19)({"image": image, "brain": brain, "lesion": lesion})
    assert {key: array.shape for key, array in result.items()} == dict.fromkeys(result, (5, 30, 30))
    assert (result["image"].dtype, result["lesion"].dtype) == (np.float32, np.uint8)
    assert_array_equal(result["image"] > 0, result["brain"] > 0)
    assert result["lesion"].sum() == 5 * 3 * 3


def half_ball(top: int) -> np.ndarray:
    """Brain from slice 3 to slice `top`, of 1 voxel in the lowest and of 100 elsewhere."""
    brain = np.zeros((20, 20, 30), np.uint8)
    brain[5:15, 5:15, 4 : top + 1] = 1
    brain[5, 5, 3] = 1
    return brain


@pytest.mark.parametrize(
    ("step", "share", "top", "expected"),
    [
        (1, 0.01, 20, range(4, 21)),
        (1, 0.0025, 20, range(3, 21)),
        (1, 0.01, 11, range(4, 12)),
        (3, 0.01, 20, range(5, 21, 3)),  # every third slice from the centre, 14
        (1, 0.25, 29, range(4, 30)),  # a slice at the share counts
    ],
)
def test_all_slices_with_tissue(step: int, share: float, top: int, expected: range) -> None:
    transform, brain = PseudoVolumed(10, "all", step, 14, share), half_ball(top)
    assert list(transform.scan_slices(brain.shape, slice_areas(brain))) == list(expected)
    image = brain * np.arange(30, dtype=np.float32)
    result = transform({"image": image, "brain": brain})
    assert_allclose(result["image"].max(axis=(1, 2)), list(expected))
    assert set(expected) <= set(transform.grid_slices(30)) and 14 in transform.grid_slices(30)


def test_no_slice_with_tissue_is_refused() -> None:
    with pytest.raises(PreprocessingError, match=r"no slice has a brain of 0\.5 of its plane"):
        PseudoVolumed(10, "all", 1, 14, 0.5)({"image": half_ball(20), "brain": half_ball(20)})


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_impossible_tissue_shares_are_refused(share: float) -> None:
    with pytest.raises(PreprocessingError, match=r"tissue share .* must be above 0 and at most 1"):
        PseudoVolumed(10, "all", 1, 14, share)


@pytest.mark.parametrize(
    ("size", "slices", "step", "message"),
    [
        (96, "some", 1, r"slices 'some' must be a number or 'all'"),
        (0, 10, 1, r"image size 0 must be at least 1"),
        (96, 0, 1, r"slices 0 must be at least 1"),
        (96, 10, 0, r"slice step 0 must be at least 1"),
    ],
)
def test_bad_numbers_are_refused(size: int, slices: int | str, step: int, message: str) -> None:
    with pytest.raises(PreprocessingError, match=message):
        PseudoVolumed(size, slices, step, 77)


def test_slices_outside_the_volume_are_refused() -> None:
    volume = np.ones((8, 8, 20))
    with pytest.raises(PreprocessingError, match=r"slices -4 to 23 are not all inside the 20 of the atlas"):
        PseudoVolumed(size=8, slices=4, step=9, centre=9)({"image": volume, "brain": volume})


def test_affine_maps_pixel_centres_to_the_world() -> None:
    atlas = np.array([[1.0, 0, 0, -239], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    affine = grid_affine(atlas, (240, 240, 155), 96, range(64, 92, 3))
    assert_allclose(np.diag(affine)[:3], [2.5, 2.5, 3])
    low, high = affine @ [-0.5, -0.5, 0, 1], affine @ [95.5, 95.5, 9, 1]  # the outer edges are those of the atlas
    assert_allclose(low[:3], [-239.5, -0.5, 64])
    assert_allclose(high[:3], [0.5, 239.5, 91])
