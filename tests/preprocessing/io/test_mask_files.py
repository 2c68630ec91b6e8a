"""A mask means one thing, however its values were stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from preprocessing.errors import PreprocessingError
from preprocessing.io.masks import read_mask

PATH = Path("mask.nii.gz")
MASK = np.zeros((20, 20, 20), bool)
MASK[4:15, 5:16, 3:17] = True


@pytest.mark.parametrize(
    "stored",
    [
        MASK,
        MASK * 255,
        MASK * np.float32(0.9999),
        np.where(MASK, 1.0, 1e-6),
        np.where(MASK, 3.0, -1.0),
        ndimage.gaussian_filter(MASK.astype(np.float32), 0.4),
        np.where(MASK, 0.9, 0.1) * 1.1 - 0.05,  # a spline overshoots
    ],
)
def test_every_way_to_store_a_mask_is_the_same_mask(stored: np.ndarray) -> None:
    np.testing.assert_array_equal(read_mask(stored, PATH), MASK)


def test_a_soft_rim_does_not_make_the_mask_larger() -> None:
    """The volume of a box after linear interpolation; `> 0` would give a third more."""
    soft = ndimage.uniform_filter(MASK.astype(np.float64), 3)
    assert read_mask(soft, PATH).sum() == pytest.approx(MASK.sum(), rel=0.08)
    assert (soft > 0).sum() > 1.3 * MASK.sum()


@pytest.mark.parametrize("stored", [MASK * 254.7, np.where(MASK, np.nan, 0.2), MASK - 0.6])
def test_other_fractions_are_refused_with_the_way_out(stored: np.ndarray) -> None:
    with pytest.raises(PreprocessingError, match=r"mask\.nii\.gz: fractions from .*: resample it by nearest neighbour"):
        read_mask(stored, PATH)
