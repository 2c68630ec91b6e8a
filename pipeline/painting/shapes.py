"""Outlines and textures of painted lesions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import expit


class NoiseFields:
    """A store of smooth Gaussian random fields of mean 0 and standard deviation 1, periodic in the plane.

    Args:
        size: height and width of a field, in pixels.
        scales: standard deviations of the smoothing, in pixels.
        count: number of fields of each scale; a draw is rolled by a random offset, so few are enough.
    """

    def __init__(self, size: int, scales: Sequence[float], count: int = 32) -> None:
        rng = np.random.default_rng(0)
        self.scales = tuple(scales)
        noise = rng.standard_normal((len(self.scales), count, size, size)).astype(np.float32)
        smooth = [gaussian_filter(f, (0, s, s), mode="wrap") for f, s in zip(noise, self.scales, strict=True)]
        self.fields = np.stack([field / field.std((1, 2), keepdims=True) for field in smooth])

    def draw(self, rng: np.random.Generator, nearest: float | None = None) -> np.ndarray:
        """One field [H, W]: of the scale nearest to `nearest` in pixels, or of any."""
        scale = rng.integers(len(self.scales))
        if nearest is not None:
            scale = np.abs(np.subtract(self.scales, nearest)).argmin()
        field = self.fields[scale, rng.integers(self.fields.shape[1])]
        return np.roll(field, tuple(rng.integers(field.shape)), (0, 1))


def blob(
    rng: np.random.Generator, size: int, centre: Sequence[int], radius: float, roughness: np.ndarray
) -> np.ndarray:
    """Depth below the border of a random blob, about in pixels: positive inside, negative outside, [size, size].

    `f(p) = R · clip(1 + Σ_j a_j cos(j θ + φ_j), 0.3, 2) − ρ + c R n(p)` with the distance ρ and the angle θ of p from
    the centre in a random ellipse, `a_j ~ N(0, 0.22 / j)` for j = 1 … 5, and c one of 0, 0.15 and 0.3.

    Args:
        rng: source of all draws.
        size: height and width of the slice, in pixels.
        centre: row and column of the centre.
        radius: R, in pixels.
        roughness: n, a smooth field of standard deviation 1, [size, size].
    """
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    rows, columns = rows - centre[0], columns - centre[1]
    stretch, turn = np.exp(rng.normal(0, 0.25)), rng.uniform(0, np.pi)
    along = (np.cos(turn) * columns + np.sin(turn) * rows) * stretch
    across = (np.cos(turn) * rows - np.sin(turn) * columns) / stretch
    angle, border = np.arctan2(across, along), np.ones((size, size), np.float32)
    for order in range(1, 6):
        border += rng.normal(0, 0.22 / order) * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    depth = radius * np.clip(border, 0.3, 2) - np.hypot(along, across)
    return depth + rng.choice([0, 0.15, 0.3]) * radius * roughness


def soft_mask(rng: np.random.Generator, depth: np.ndarray) -> np.ndarray:
    """`sigmoid(depth / s)` with a softness s of 0.25 to 1.8 px, in [0, 1]."""
    return expit(depth / rng.uniform(0.25, 1.8))


def one_side(rng: np.random.Generator, size: int, row: int) -> np.ndarray:
    """Soft half plane [size, 1]: 1 on the side of the midline where `row` lies, 0 beyond; rows go left to right."""
    middle = (size - 1) / 2
    side = 1 if row >= middle else -1
    return expit((side * (np.arange(size) - middle) + rng.uniform(0, 2)) / 0.7)[:, None]


def follow_tissue(rng: np.random.Generator, depth: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Move the border of a blob by at most 5 px, or 0.6 of its depth, so that it follows the tissue.

    Half of the draws take bright tissue in and leave dark tissue out; the others prefer white matter, near 0.38.

    Args:
        rng: source of all draws.
        depth: below the border, see `blob`, [H, W].
        image: the slice [H, W] in [0, 1].
    """
    smooth, gain = gaussian_filter(image, 0.6), rng.uniform(8, 45)
    preferred = smooth - 0.4 if rng.random() < 0.5 else 0.03 - np.abs(smooth - 0.38)
    limit = min(5.0, 0.6 * max(float(depth.max()), 1.0))
    return depth + np.clip(gain * preferred, -limit, 0.6 * limit) * (depth > -8)
