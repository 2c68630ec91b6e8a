"""Find the affine between two stripped brains: a start by mutual information, then ANTs."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, Delaunay
from scipy.spatial.transform import Rotation

from preprocessing.errors import PreprocessingError
from preprocessing.space.ants import ants_image, load_ants
from preprocessing.space.geometry import box_grid, centre_of_mass, read_transform, resample, write_transform
from preprocessing.space.grid import Volume

# The 24 rotations that map axes onto axes, the identity first.
TURNS = sorted(Rotation.create_group("O").as_matrix().round(), key=lambda turn: -np.trace(turn))


def working_copy(image: Volume, brain: Volume, spacing: float) -> Volume:
    """The brain in [0, 1] with background 0 on a grid along the world axes, smoothed against aliasing."""
    mask = brain.array > 0
    low, high = np.percentile(image.array[mask], (1, 99))
    scaled = np.where(mask, np.clip((image.array - low) / max(high - low, 1e-12), 0.05, 1), 0)
    sigma = smoothing(image.affine, spacing)
    affine, shape = box_grid(mask, image.affine, spacing, margin=10)
    smooth = ndimage.gaussian_filter(scaled.astype(np.float32), sigma)
    return Volume(resample(smooth, np.linalg.inv(image.affine) @ affine, shape), affine)


def smoothing(affine: np.ndarray, spacing: float) -> np.ndarray:
    """Standard deviations in voxels that keep aliasing away when a grid of `affine` is read every `spacing` mm."""
    return np.maximum(spacing / np.linalg.norm(affine[:3, :3], axis=0) - 1, 0) / 2


def best_start(
    fixed: Volume, moving: Volume, angles: Sequence[float], turns: Sequence[np.ndarray] = TURNS[:1]
) -> np.ndarray:
    """The 4×4 rotation about the joined centres of mass (fixed mm → moving mm) with the largest mutual information.

    Args:
        fixed: image in [0, 1] whose millimetres are mapped.
        moving: image in [0, 1] to which they are mapped.
        angles: degrees, tried about each of the three axes.
        turns: rotations [3, 3] of the scan's axes that go before; none by default.
    """
    centre = centre_of_mass(fixed.array, fixed.affine)
    target = centre_of_mass(moving.array, moving.affine)
    starts = []
    for turn, degrees in itertools.product(turns, itertools.product(angles, repeat=3)):
        start = np.eye(4)
        start[:3, :3] = turn @ Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
        start[:3, 3] = target - start[:3, :3] @ centre
        starts.append(start)
    return max(starts, key=lambda start: similarity(fixed, moving, start))


def best_turned_start(fixed: Volume, moving: Volume, angles: Sequence[float]) -> np.ndarray:
    """The best start after a turn by 90° or 180°: each turn with every second angle, the best four with all angles."""

    def found(turn: np.ndarray) -> float:
        return similarity(fixed, moving, best_start(fixed, moving, angles[::2], [turn]))

    return best_start(fixed, moving, angles, sorted(TURNS[1:], key=found, reverse=True)[:4])


def similarity(fixed: Volume, moving: Volume, transform: np.ndarray, tissue: bool = False) -> float:
    """Mutual information in nats of `fixed` and `moving`, both in [0, 1], under `transform` (fixed mm → moving mm).

    With `tissue`, of the voxels > 0 in both: what the brains have in common but for their outline.
    """
    matrix = np.linalg.inv(moving.affine) @ transform @ fixed.affine
    moved = resample(moving.array, matrix, fixed.array.shape)
    both = (fixed.array > 0) & (moved > 0) if tissue else np.ones(moved.shape, bool)
    return mutual_information(fixed.array[both], moved[both]) if both.any() else 0.0


def mutual_information(a: np.ndarray, b: np.ndarray, bins: int = 32) -> float:
    """`Σ p(a,b) log(p(a,b) / (p(a) p(b)))` in nats of two arrays in [0, 1], from a joint histogram."""
    codes = (a * (bins - 1)).astype(np.int64) * bins + (b * (bins - 1)).astype(np.int64)
    joint = np.bincount(codes.ravel(), minlength=bins * bins).reshape(bins, bins) / a.size
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / independent[seen])).sum())


def hull(brain: Volume, margin: float) -> Volume:
    """The convex hull of the voxels > 0, dilated by `margin` mm: the part of the head that a cut scan shows."""
    coarse = brain.array[::2, ::2, ::2] > 0
    points = np.argwhere(coarse)
    inside = Delaunay(points[ConvexHull(points).vertices]).find_simplex(np.argwhere(np.ones_like(coarse))) >= 0
    layers = max(1, round(margin / (2 * brain.affine[0, 0])))
    grown = ndimage.binary_dilation(inside.reshape(coarse.shape), iterations=layers)
    full = grown.repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2)
    return Volume(full[tuple(slice(n) for n in brain.array.shape)].astype(np.float32), brain.affine)


def affine_ants(
    fixed: Volume, moving: Volume, start: np.ndarray, options: Mapping[str, Any], seen: Volume | None = None
) -> np.ndarray:
    """The affine (fixed mm → moving mm, RAS) that ANTs finds from `start`; volumes on grids along the world axes.

    `options` are of `ants.registration`, among them `type_of_transform`. With `seen`, only points inside that mask of
    the moving scan count.
    """
    ants = load_ants()
    masked: dict[str, Any] = {}
    if seen is not None:
        masked = {"moving_mask": ants_image(seen), "mask_all_stages": True}
    with tempfile.TemporaryDirectory(prefix="lesionless-") as folder:
        initial = Path(folder) / "initial.mat"
        write_transform(initial, start, centre_of_mass(fixed.array, fixed.affine))
        try:
            found = ants.registration(
                ants_image(fixed),
                ants_image(moving),
                initial_transform=str(initial),
                outprefix=f"{folder}/",
                **options,
                **masked,
            )
        except (RuntimeError, ValueError) as error:
            raise PreprocessingError(f"registration failed ({error})") from error
        return read_transform(Path(found["fwdtransforms"][0]))
