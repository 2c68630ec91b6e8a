"""From the scanner to the anatomy: pose, size, smooth displacement, and swelling of chosen structures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from preprocessing.phantom.anatomy import Anatomy
from preprocessing.phantom.fields import generator, linear, random_field, upsample
from preprocessing.phantom.scanner import Scanner, apply_affine, middle, nodes

_COARSE, _FINE = 42.0, 22.0  # mm between the lattice points of the random displacement
_AMOUNT = (2.6, 1.3)  # mm, standard deviation along an axis of either
_STEP = 3  # voxels: swelling is computed on every third voxel


def draw_pose(rng: np.random.Generator, centre: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """4×4: scanner mm → anatomy mm; rotation up to 12°, size ±7 %, shear, and left and right exchanged half the time.

    The head's `centre` (anatomy mm) comes to lie within 6 mm of the scanner's `middle` (scanner mm).
    """
    turn = Rotation.from_euler("xyz", rng.uniform(-1, 1, 3) * (12, 6, 9), degrees=True).as_matrix()
    shape = np.diag(1 + rng.uniform(-0.04, 0.04) + rng.uniform(-0.035, 0.035, 3)) + np.triu(
        rng.normal(0, 0.015, (3, 3)), 1
    )
    pose = np.eye(4)
    pose[:3, :3] = shape @ np.diag([rng.choice((-1.0, 1.0)), 1.0, 1.0]) @ turn
    pose[:3, 3] = centre - pose[:3, :3] @ (middle + rng.uniform(-6, 6, 3))
    return pose


def sampling_points(
    anatomy: Anatomy,
    scanner: Scanner,
    subject: tuple[int, str, int],
    swelling: Sequence[tuple[np.ndarray, float]],
) -> np.ndarray:
    """Anatomy voxel coordinates [3, X, Y, Z] of every scanner voxel, float32.

    `p = A x + u(A x) + Σ k ∇(G ∗ M) / max|∇(G ∗ M)|`: pose A, random displacement u, and for every map M of
    `swelling` a push of at most k mm that widens the structure (k > 0) or narrows it.

    Args:
        subject: seed, group and index.
        swelling: maps [X, Y, Z] on the anatomy's grid, each with its k in mm.
    """
    rng = generator(*subject, "pose")
    coarse, places = nodes(scanner)
    points = apply_affine(draw_pose(rng, anatomy.head_box[0], middle(scanner)), coarse)
    points = points + _displacement(rng, anatomy, points)
    voxels = apply_affine(np.linalg.inv(anatomy.affine), points)
    edge = anatomy.spacing
    push = [_push(volume, voxels, edge) * (amount / edge) for volume, amount in swelling]
    return np.stack([upsample(axis, places, linear) for axis in sum(push, start=voxels)])


def _displacement(rng: np.random.Generator, anatomy: Anatomy, points: np.ndarray) -> np.ndarray:
    """Random displacement in mm at `points` [3, ...] (mm); a function of the anatomy's space, not of the scanner's."""
    voxels = apply_affine(np.linalg.inv(anatomy.affine), points)
    total = np.zeros_like(points)
    for spacing, amount in zip((_COARSE, _FINE), _AMOUNT, strict=True):
        step = 6.0 / anatomy.spacing  # the field itself is smooth, every 6 mm is enough
        shape = [int(np.ceil(n / step)) + 1 for n in anatomy.brain.shape]
        for axis in range(3):
            field = random_field(rng, shape, spacing / 6.0) * amount
            total[axis] += ndimage.map_coordinates(field, voxels / step, order=1, mode="nearest")
    return total


def _push(volume: np.ndarray, voxels: np.ndarray, edge: float) -> np.ndarray:
    """Unit push [3, ...] at `voxels` towards the inside of `volume`, along the gradient of its blurred map."""
    small = ndimage.uniform_filter(volume.astype(np.float32), _STEP)[::_STEP, ::_STEP, ::_STEP]
    gradient = np.stack(np.gradient(ndimage.gaussian_filter(small, 6.0 / (_STEP * edge))))
    gradient /= max(float(np.sqrt((gradient**2).sum(axis=0)).max()), 1e-6)
    return np.stack([ndimage.map_coordinates(axis, voxels / _STEP, order=1, mode="nearest") for axis in gradient])
