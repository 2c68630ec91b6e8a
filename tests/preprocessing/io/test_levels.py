"""An MRI is the same image whatever the level of its air, its padding and its outliers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from preprocessing.io.levels import from_air
from preprocessing.strippers.tools import head_mask

HEAD = np.zeros((40, 40, 40), np.float32)
HEAD[8:32, 8:32, 4:36] = 100 + 100 * ndimage.gaussian_filter(np.random.default_rng(0).random((24, 24, 32)), 1)


def outlier(value: float) -> np.ndarray:
    image = HEAD.copy()
    image[1, 1, 1] = value
    return image


def corners(value: float) -> np.ndarray:
    x, y = np.meshgrid(*(np.linspace(-1, 1, 40),) * 2, indexing="ij")
    image = HEAD.copy()
    image[x**2 + y**2 > 1.05] = value
    return image


@pytest.mark.parametrize(
    "image",
    [HEAD, HEAD - 1024, HEAD + 1000, outlier(1e6), outlier(-1e6), corners(-1024), (HEAD - 90) / 30, HEAD / 100 - 1],
)
def test_the_head_is_the_same_head(image: np.ndarray) -> None:
    """Compared on the scale of the image; the outlier itself and single voxels beside the padding may differ."""
    found = from_air(image.astype(np.float32))
    np.testing.assert_allclose(np.corrcoef(found[HEAD > 0], HEAD[HEAD > 0])[0, 1], 1, atol=1e-5)
    assert abs(np.median(found[HEAD == 0])) < 1e-3 * found.max()
    one, other = head_mask(found), head_mask(HEAD)
    assert 2 * (one & other).sum() / (one.sum() + other.sum()) > 0.995


@pytest.mark.parametrize(
    "make", [lambda: HEAD, lambda: HEAD * 1e-7, lambda: HEAD + np.random.default_rng(1).normal(0, 3, HEAD.shape)]
)
def test_a_usual_image_is_not_changed(make: Callable[[], np.ndarray]) -> None:
    image = make().astype(np.float32)
    np.testing.assert_array_equal(from_air(image), image)


def test_the_background_of_a_stripped_image_is_no_padding() -> None:
    """A narrow range of values far above a constant background: it stays the darkest value."""
    brain = np.where(HEAD > 0, 100 + HEAD / 20, -50)
    found = from_air(brain.astype(np.float32))
    assert found[0, 0, 0] == found.min() == 0
    np.testing.assert_allclose(found[HEAD > 0], brain[HEAD > 0] + 50, rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 7.0, -1024.0])
def test_an_image_of_one_value_stays(value: float) -> None:
    np.testing.assert_array_equal(from_air(np.full((5, 5, 5), value, np.float32)), value)
