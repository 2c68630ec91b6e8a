"""The scanner: voxel grid in any orientation, partial volume, bias field, Rician noise, intensity scale, data type."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from preprocessing.phantom.fields import generator, linear, random_field, upsample

_ORIENTATIONS = list(itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)))
_SCALES = (("int16", 300.0), ("float32", 1.0), ("int16", 1200.0), ("int16", 4000.0), ("float32", 250.0))
_NODE = 5.0  # mm between the points at which smooth maps are computed


@dataclass(frozen=True)
class Scanner:
    """How one subject is seen.

    affine: voxel → scanner mm (RAS). shape: of the voxel grid. thickness: extent of a voxel along the axes of the
    head [3], mm. dtype, scale: of the stored intensities, `scale` stands for 1. noise: standard deviation of the
    Rician noise. bias: strength of the smooth multiplicative field (standard deviation of its logarithm).
    """

    affine: np.ndarray
    shape: tuple[int, ...]
    thickness: np.ndarray
    dtype: str
    scale: float
    noise: float
    bias: float


def draw_scanner(seed: int, group: str, index: int, field_of_view: np.ndarray) -> Scanner:
    """A scanner that sees a box of the edges `field_of_view` [3] along the axes of the head, in mm.

    Slices are mostly axial and 2–3 mm thick; a third of the scans has voxels of nearly equal edges. The orientation
    code, the obliqueness, the data type and the scale go through all values as the index grows.
    """
    rng = generator(seed, group, index, "scanner")
    spacing = rng.uniform(1.0, 1.2) * np.ones(3)
    if index % 3:
        spacing[rng.choice(3, p=(0.15, 0.1, 0.75))] = rng.uniform(2.0, 3.0)
    else:
        spacing *= rng.uniform(1.0, 1.3)
    axes, signs = _ORIENTATIONS[(7 * index + 5 * len(group) + seed) % 48]
    tilt = Rotation.from_euler("xyz", rng.uniform(-12, 12, 3) * (index % 4 > 0), degrees=True).as_matrix()
    affine, shape = place(spacing, axes, signs, tilt, field_of_view, rng.uniform(-25, 25, 3))
    dtype, scale = _SCALES[index % len(_SCALES)]
    scale *= rng.uniform(0.8, 1.25) if scale > 1 else 1.0
    return Scanner(affine, shape, spacing, dtype, scale, rng.uniform(0.008, 0.022), rng.uniform(0.06, 0.15))


def place(
    spacing: np.ndarray,
    axes: Sequence[int],
    signs: Sequence[int],
    tilt: np.ndarray,
    field_of_view: np.ndarray,
    centre: np.ndarray,
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Affine and shape of a grid of `spacing` mm around `centre` (mm) that holds the box `field_of_view` (mm) [3].

    axes, signs: order and direction of the head's axes in the file. tilt: rotation [3, 3] of the grid.
    """
    linear_part = tilt[:, axes] * np.array(signs) * spacing[list(axes)]
    shape = tuple(int(n) + 1 for n in np.ceil((field_of_view / spacing)[list(axes)]))
    affine = np.eye(4)
    affine[:3, :3] = linear_part
    affine[:3, 3] = centre - linear_part @ ((np.array(shape) - 1) / 2)
    return affine, shape


def middle(scanner: Scanner) -> np.ndarray:
    """The middle of the field of view, in scanner mm."""
    return scanner.affine[:3, :3] @ ((np.array(scanner.shape) - 1) / 2) + scanner.affine[:3, 3]


def nodes(scanner: Scanner) -> tuple[np.ndarray, list[np.ndarray]]:
    """Scanner coordinates [3, A, B, C] (mm) of a coarse grid over the scan, and the place of every voxel on it."""
    edges = np.linalg.norm(scanner.affine[:3, :3], axis=0)
    counts = [int(np.ceil((n - 1) * edge / _NODE)) + 1 for n, edge in zip(scanner.shape, edges, strict=True)]
    ticks = [np.linspace(0, n - 1, count) for n, count in zip(scanner.shape, counts, strict=True)]
    voxels = np.stack(np.meshgrid(*ticks, indexing="ij"))
    places = [np.linspace(0, count - 1, n) for n, count in zip(scanner.shape, counts, strict=True)]
    return apply_affine(scanner.affine, voxels), places


def apply_affine(affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    """`affine` (4×4) of points [3, ...], row by row, without BLAS."""
    rows = [sum(affine[i, j] * points[j] for j in range(3)) + affine[i, 3] for i in range(3)]
    return np.stack([np.asarray(row) for row in rows])


def partial_volume(volume: np.ndarray, thickness: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Average `volume` [X, Y, Z] over the extent of a scanner voxel along each axis of the head."""
    widths = np.round(thickness / spacing).astype(int)
    for axis, width in enumerate(widths):
        if width > 1:
            volume = ndimage.uniform_filter1d(volume, int(width), axis=axis, mode="nearest")
    return volume


def record(signal: np.ndarray, scanner: Scanner, rng: np.random.Generator) -> np.ndarray:
    """What is stored of `signal`: `scale · |signal · exp(bias) + complex noise|` in the scanner's data type."""
    edges = np.linalg.norm(scanner.affine[:3, :3], axis=0)
    lattice = random_field(
        rng, [int(np.ceil(n * edge / 10)) + 2 for n, edge in zip(scanner.shape, edges, strict=True)], 9
    )
    places = [np.arange(n) * edge / 10 for n, edge in zip(scanner.shape, edges, strict=True)]
    signal = signal * upsample(np.exp(scanner.bias * lattice), places, linear)
    real = signal + scanner.noise * rng.standard_normal(scanner.shape, dtype=np.float32)
    imaginary = scanner.noise * rng.standard_normal(scanner.shape, dtype=np.float32)
    magnitude = np.sqrt(real * real + imaginary * imaginary) * np.float32(scanner.scale)
    if scanner.dtype.startswith("int"):
        magnitude = np.clip(np.rint(magnitude), 0, np.iinfo(scanner.dtype).max)
    return magnitude.astype(scanner.dtype)
