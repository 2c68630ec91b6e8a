"""From the grid of the network back to the scan's own grid, with one interpolation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.predict.volume import ScoredVolume

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """The voxels of a scan as its file stores them: shape [X, Y, Z], and affine, voxel → mm (RAS), 4×4."""

    shape: tuple[int, ...]
    affine: Matrix

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in mL."""
        return float(abs(np.linalg.det(self.affine[:3, :3])) / 1000)


@dataclass(frozen=True)
class NativeScores:
    """The anomaly map on the scan's own grid.

    Args:
        scores: [X, Y, Z] float32, 0 outside the brain.
        support: [X, Y, Z] bool, where lesions are looked for.
        grid: of the scan.
        to_atlas: mm of the scan → mm of the atlas (RAS), 4×4.
    """

    scores: NDArray[np.float32]
    support: NDArray[np.bool_]
    grid: Grid
    to_atlas: Matrix


def to_scan(volume: ScoredVolume, grid: Grid, transform: Matrix) -> NativeScores:
    """The map on the grid of the scan: `M = R(s · b) / R(b)` where `R(b) ≥ ½`, 0 elsewhere, with R linear.

    `s` are the scores and `b` the brain, so that the background does not darken the rim; the support is where
    `R(support) ≥ ½`. R goes from the voxels of the scan to those of the network by one matrix.

    Args:
        volume: on the grid of the network.
        grid: of the scan.
        transform: mm of the atlas → mm of the scan (RAS), 4×4, as the preparation saved it.
    """
    to_atlas: Matrix = np.linalg.inv(transform).astype(np.float64)
    matrix = np.linalg.inv(volume.affine) @ to_atlas @ grid.affine
    box = _box(volume.brain, matrix, grid.shape)
    weight, total, inside = (
        _resample(part, matrix, box) for part in (volume.brain, volume.scores * volume.brain, volume.support)
    )
    found = np.divide(total, weight, out=np.zeros_like(total), where=weight >= 0.5)
    scores, support = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, bool)
    scores[box], support[box] = found, (inside >= 0.5) & (weight >= 0.5)
    return NativeScores(scores, support, grid, to_atlas)


def _box(brain: NDArray[np.bool_], matrix: Matrix, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """The part of the scan's grid that can see the brain: most of a head is not worth an interpolation."""
    ends = [np.flatnonzero(brain.any(axis=tuple(a for a in range(3) if a != axis)))[[0, -1]] for axis in range(3)]
    corners = np.stack(np.meshgrid(*([low - 1, high + 1] for low, high in ends), indexing="ij"), -1).reshape(-1, 3)
    inverse = np.linalg.inv(matrix)
    there = corners @ inverse[:3, :3].T + inverse[:3, 3]
    low, high = np.floor(there.min(axis=0)).astype(int), np.ceil(there.max(axis=0)).astype(int) + 1
    return tuple(slice(int(np.clip(a, 0, n)), int(np.clip(b, 0, n))) for a, b, n in zip(low, high, shape, strict=True))


def _resample(array: NDArray, matrix: Matrix, box: tuple[slice, ...]) -> NDArray[np.float32]:
    """`array` linearly at `matrix · i` for the voxels i of `box`; 0 beyond its edge."""
    start = np.array([part.start for part in box], float)
    offset = matrix[:3, :3] @ start + matrix[:3, 3]
    shape = tuple(part.stop - part.start for part in box)
    return ndimage.affine_transform(
        array.astype(np.float32), matrix[:3, :3], offset, output_shape=shape, order=1, mode="constant"
    )
