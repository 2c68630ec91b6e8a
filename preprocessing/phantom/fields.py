"""Smooth random fields, made from a coarse lattice of random numbers and cubic B-splines, without BLAS.

NumPy's elementwise operations give the same bytes whatever the number of threads; matrix products need not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Weights = Callable[[np.ndarray], list[np.ndarray]]
_SPREAD = 0.4794**1.5  # standard deviation of a cubic B-spline field in 3-D whose lattice has variance 1


def generator(seed: int, group: str, index: int, stage: str) -> np.random.Generator:
    """The stream of random numbers of one stage of one subject; it depends on its arguments and on nothing else."""
    names = [int.from_bytes(name.encode(), "little") for name in (group, stage)]
    return np.random.default_rng([seed, names[0], index, names[1]])


def cubic(t: np.ndarray) -> list[np.ndarray]:
    """Weights of the four lattice points around a position, `t` in [0, 1) after the second of them."""
    return [(1 - t) ** 3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6, t**3 / 6]


def linear(t: np.ndarray) -> list[np.ndarray]:
    """Weights of the two lattice points around a position, `t` in [0, 1] after the first."""
    return [1 - t, t]


def upsample(lattice: np.ndarray, positions: Sequence[np.ndarray], weights: Weights) -> np.ndarray:
    """lattice [A, B, C] at the grid of `positions`: three arrays of lattice coordinates ≥ 0; float32."""
    volume = lattice.astype(np.float32)
    for axis in (2, 1, 0):  # the last pass is the large one, and the first axis the one that is quick to go along
        position = positions[axis]
        first = np.minimum(np.floor(position).astype(int), volume.shape[axis] - len(weights(position[:1])))
        taps = [
            tap.astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
            for tap in weights(position - first)
        ]
        total = np.take(volume, first, axis) * taps[0]
        for k, tap in enumerate(taps[1:], start=1):
            part = np.take(volume, first + k, axis)
            part *= tap
            total += part
        volume = total
    return volume


def random_field(rng: np.random.Generator, shape: Sequence[int], spacing: float) -> np.ndarray:
    """A field [X, Y, Z] of mean 0 and standard deviation about 1, whose lattice is `spacing` voxels wide."""
    lattice = rng.standard_normal([int(np.ceil(n / spacing)) + 3 for n in shape])
    return upsample(lattice / _SPREAD, [np.arange(n) / spacing for n in shape], cubic)


def noise(rng: np.random.Generator, shape: Sequence[int], spacings: Sequence[float], decay: float = 0.5) -> np.ndarray:
    """Octaves of `random_field`, coarse to fine, each `decay` times as strong as the one before; unit variance."""
    strengths = decay ** np.arange(len(spacings))
    octaves = (s * random_field(rng, shape, spacing) for s, spacing in zip(strengths, spacings, strict=True))
    return np.asarray(sum(octaves) / np.linalg.norm(strengths)).astype(np.float32)
