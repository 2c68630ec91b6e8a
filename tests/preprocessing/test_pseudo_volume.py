"""Slices of the right places, sizes and world coordinates."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from preprocessing.errors import PreprocessingError
from preprocessing.pseudo_volume import PseudoVolumed, area_average, area_weights, central_slices, grid_affine, nearest

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


@pytest.mark.parametrize(
    ("size", "slices", "step", "message"),
    [
        (0, 10, 1, r"image size 0 must be at least 1"),
        (96, 0, 1, r"slices 0 must be at least 1"),
        (96, 10, 0, r"slice step 0 must be at least 1"),
    ],
)
def test_bad_numbers_are_refused(size: int, slices: int, step: int, message: str) -> None:
    with pytest.raises(PreprocessingError, match=message):
        PseudoVolumed(size, slices, step, 77)


def test_slices_outside_the_volume_are_refused() -> None:
    volume = np.ones((8, 8, 20))
    with pytest.raises(PreprocessingError, match=r"slices -4 to 23 are not all inside the 20 of the atlas"):
        PseudoVolumed(size=8, slices=4, step=9, centre=9)({"image": volume, "brain": volume})


def test_affine_maps_pixel_centres_to_the_world() -> None:
    atlas = np.array([[1.0, 0, 0, -239], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    affine = grid_affine(atlas, (240, 240, 155), 96, central_slices(10, 3, 77), 3)
    assert_allclose(np.diag(affine)[:3], [2.5, 2.5, 3])
    low, high = affine @ [-0.5, -0.5, 0, 1], affine @ [95.5, 95.5, 9, 1]  # the outer edges are those of the atlas
    assert_allclose(low[:3], [-239.5, -0.5, 64])
    assert_allclose(high[:3], [0.5, 239.5, 91])
