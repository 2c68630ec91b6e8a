from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.errors import PipelineError
from pipeline.metrics import snap
from pipeline.metrics.bins import bin_of, check_bits, infinite_bin, last_bin, lowest_score


def highest_score(bins: np.ndarray, bits: int) -> np.ndarray:
    return -lowest_score(-bins.astype(np.int64), bits)


def finite_floats(seed: int = 0, n: int = 20000) -> np.ndarray:
    """Any bit pattern that is a finite float32, so that all exponents come."""
    values = np.random.default_rng(seed).integers(0, 2**32, n, dtype=np.uint32).view(np.float32)
    return np.sort(values[np.isfinite(values)])


@pytest.mark.parametrize("bits", [10, 16, 20, 22])
def test_bins_order_like_scores_and_bracket_them(bits: int) -> None:
    scores = finite_floats()
    bins = bin_of(torch.from_numpy(scores), bits).numpy()
    assert (np.diff(bins.astype(np.int64)) >= 0).all()
    assert (lowest_score(bins, bits) <= scores).all()
    assert (highest_score(bins, bits) >= scores).all()
    assert (np.abs(bins) < infinite_bin(bits)).all()


@pytest.mark.parametrize("bits", [10, 20])
def test_edges_of_neighbouring_bins_leave_no_float_between_them(bits: int) -> None:
    bins = np.random.default_rng(1).integers(2 - infinite_bin(bits), infinite_bin(bits) - 2, 500)
    assert (np.nextafter(highest_score(bins, bits), np.float32(np.inf)) == lowest_score(bins + 1, bits)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_has_bins_of_its_own(value: float) -> None:
    number = int(bin_of(torch.tensor([value]), 20)[0])
    assert infinite_bin(20) <= abs(number) <= last_bin(20)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0, -1.0, 3.0, 17 / 256, -255.0])
def test_short_numbers_are_bins_and_edges_of_their_own(value: float) -> None:
    number = bin_of(torch.tensor([value]), 20).numpy()
    assert number[0] % 2 == 0
    assert lowest_score(number, 20)[0] == highest_score(number, 20)[0] == value == snap(value)


def test_both_zeros_share_a_bin() -> None:
    assert bin_of(torch.tensor([0.0, -0.0]), 20).tolist() == [0, 0]


@pytest.mark.parametrize("value", [0.1, -0.1, 1e-30, 1 / 3, 0.30000001, 1e-45])
def test_snap_gives_the_next_edge(value: float) -> None:
    edge = snap(value)
    below = np.nextafter(np.float32(edge), np.float32(-np.inf))
    number = bin_of(torch.tensor([below, edge]), 20)
    assert edge >= value
    assert number[1] == number[0] + 1
    assert snap(edge) == edge
    assert edge - value <= abs(value) * 2.0**-11 + 1e-44


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_snap_refuses_what_is_no_float32(value: float) -> None:
    with pytest.raises(PipelineError, match="not a finite float32"):
        snap(value)


@pytest.mark.parametrize("bits", [9, 23])
def test_bits_are_limited(bits: int) -> None:
    with pytest.raises(PipelineError, match="choose 10 to 22"):
        check_bits(bits)
