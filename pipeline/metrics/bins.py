"""The bins of float32 scores: the leading bits of the number, and the exact edge of each bin as a bin of its own.

A score is read as sign and magnitude, `m = bits & 0x7fffffff`. With `b` bits a bin holds all magnitudes that share
their top `b - 1` bits, so no range has to be known in advance. The magnitudes that are exactly the edge of such a
group (0, 0.5, 1, every small integer and every k/256) get a bin of their own: bins with an even number hold one score
only, those with an odd number an open interval:

    k = m >> (32 - b),    bin = sign · (2k + [m != k << (32 - b)])

Bins order like scores, and -0.0 and 0.0 share bin 0.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.errors import PipelineError

MIN_BITS, MAX_BITS = 10, 22
INFINITY = 0x7F800000


def check_bits(bits: int) -> int:
    """Return `bits` where the resolution is available.

    Args:
        bits: resolution of the bins. Fewer than 10 would mix infinite with finite scores.

    Raises:
        PipelineError: bits outside 10 to 22.

    Example:
        >>> check_bits(20)
        20
    """
    if not MIN_BITS <= bits <= MAX_BITS:
        raise PipelineError(f"bits = {bits} is not available; choose {MIN_BITS} to {MAX_BITS}")
    return bits


def last_bin(bits: int) -> int:
    """Number of the highest bin; bins run from -last_bin to last_bin.

    Args:
        bits: resolution of the bins, 10 to 22.

    Example:
        >>> last_bin(10)
        1023
    """
    return 2**bits - 1


def infinite_bin(bits: int) -> int:
    """The first bin that holds infinities and NaN only, as do all bins above it, and below its negative.

    Args:
        bits: resolution of the bins, 10 to 22.

    Example:
        >>> import torch
        >>> infinite_bin(20) == int(bin_of(torch.tensor([float("inf")]), 20)[0])
        True
    """
    return 2 * (INFINITY >> (32 - bits))


def bin_of(scores: Tensor, bits: int) -> Tensor:
    """Bin number of each score.

    Args:
        scores: float32 tensor of any shape.
        bits: resolution of the bins, 10 to 22.

    Returns:
        int32 tensor of the same shape on the same device.

    Example:
        Bins order like scores, 0 has a bin of its own, and bins of opposite scores are opposite.

        >>> import torch
        >>> bin_of(torch.tensor([-0.5, 0.0, 0.5, 0.7, 1.0]), 10).tolist()
        [-504, 0, 504, 505, 508]
    """
    pattern = scores.view(torch.int32)
    magnitude = pattern & 0x7FFFFFFF
    number = (magnitude >> (32 - bits)).mul_(2)
    number += (magnitude & (2 ** (32 - bits) - 1)).ne_(0)
    sign = pattern >> 31
    return number.bitwise_xor_(sign).sub_(sign)


def lowest_score(bins: NDArray[np.integer], bits: int) -> NDArray[np.float32]:
    """Smallest float32 in each bin, that is its edge: `score >= lowest_score(k)` exactly where `bin_of(score) >= k`.

    Args:
        bins: [K] numbers of bins.
        bits: resolution of the bins, 10 to 22.

    Returns:
        [K] float32.

    Example:
        >>> lowest_score([0, 504, 508], bits=10).tolist()
        [0.0, 0.5, 1.0]
    """
    bins = np.asarray(bins, np.int64)
    group, within = np.divmod(np.abs(bins), 2)
    offset = np.where(bins < 0, within * (2 ** (32 - bits) - 1), within)
    magnitude = ((group << (32 - bits)) + offset).astype(np.uint32).view(np.float32)
    return np.where(bins < 0, -magnitude, magnitude)


def snap(threshold: float, bits: int = 20) -> float:
    """Smallest bin edge that is at least `threshold`; at an edge the figures of a histogram equal those of the maps.

    Args:
        threshold: a score.
        bits: resolution of the bins, 10 to 22.

    Raises:
        PipelineError: the threshold is not a finite float32.

    Example:
        >>> snap(0.5)
        0.5
        >>> 0.3 <= snap(0.3) < 0.3 * 1.001
        True
    """
    single = np.float32(threshold) if abs(threshold) <= float(np.finfo(np.float32).max) else np.float32(np.nan)
    if not math.isfinite(single):
        raise PipelineError(f"threshold {threshold} is not a finite float32 number")
    if float(single) < threshold:
        single = np.nextafter(single, np.float32(np.inf))
    number = int(bin_of(torch.tensor([single]), bits)[0])
    edge = lowest_score(np.array([number]), bits)[0]
    return float(edge if edge >= single else lowest_score(np.array([number + 1]), bits)[0])
