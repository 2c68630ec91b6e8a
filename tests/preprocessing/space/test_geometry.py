"""Affines, the one interpolation, and transforms on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.testing import assert_allclose, assert_array_equal

from preprocessing.space.geometry import box_grid, centre_of_mass, read_transform, resample, write_transform

RNG = np.random.default_rng(0)


def random_affine() -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] += RNG.uniform(-0.2, 0.2, (3, 3))
    matrix[:3, 3] = RNG.uniform(-30, 30, 3)
    return matrix


def test_identity_returns_the_volume() -> None:
    volume = RNG.random((7, 8, 9)).astype(np.float32)
    for order in (0, 1):
        assert_allclose(resample(volume, np.eye(4), volume.shape, order), volume, atol=1e-6)


def test_linear_interpolation_of_a_linear_function_is_exact() -> None:
    matrix = np.array([[0.5, 0.1, 0, 2], [0, 0.6, 0, 1], [0, 0.05, 0.4, 1], [0, 0, 0, 1]])
    x, y, z = np.meshgrid(*map(np.arange, (20, 20, 20)), indexing="ij")
    out = resample((2 * x - y + 3 * z).astype(np.float32), matrix, (8, 8, 8))
    points = np.stack(np.meshgrid(*map(np.arange, (8, 8, 8)), indexing="ij"), axis=-1) @ matrix[:3, :3].T
    assert_allclose(out, (points + matrix[:3, 3]) @ np.array([2, -1, 3]), atol=1e-4)


def test_nearest_neighbour_makes_no_new_label() -> None:
    label = RNG.integers(0, 4, (12, 12, 12))
    assert set(np.unique(resample(label, np.linalg.inv(random_affine()), (12, 12, 12), order=0))) <= {0, 1, 2, 3}


def test_outside_is_zero() -> None:
    shift = np.eye(4)
    shift[0, 3] = 5
    out = resample(np.ones((6, 6, 6)), shift, (6, 6, 6))
    assert_array_equal(out[1:], 0)
    assert_allclose(out[0], 1)


def test_box_grid_holds_every_voxel_with_its_margin() -> None:
    mask = np.zeros((20, 20, 20), bool)
    mask[4:9, 6:15, 3:12] = True
    affine = random_affine() @ np.diag([2, 3, 4, 1])
    grid, shape = box_grid(mask, affine, spacing=2, margin=5)
    world = np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]
    voxels = (world - grid[:3, 3]) / 2
    assert (voxels >= 5 / 2 - 1e-9).all()
    assert (voxels <= np.array(shape) - 1 - 5 / 2 + 1e-9).all()


def test_centre_of_mass_is_in_mm() -> None:
    weights = np.zeros((5, 5, 5))
    weights[1, 2, 3] = 7
    affine = random_affine()
    assert_allclose(centre_of_mass(weights, affine), (affine @ [1, 2, 3, 1])[:3])


def test_transform_round_trip_and_bytes(tmp_path: Path) -> None:
    matrix = random_affine()
    for name in ("a.mat", "b.mat"):
        write_transform(tmp_path / name, matrix, np.array([1.0, 2, 3]))
    assert (tmp_path / "a.mat").read_bytes() == (tmp_path / "b.mat").read_bytes()
    assert_allclose(read_transform(tmp_path / "a.mat"), matrix, atol=1e-12)


def test_itk_maps_points_as_we_do(tmp_path: Path) -> None:
    matrix, point = random_affine(), np.array([10.0, -20, 30])
    write_transform(tmp_path / "x.mat", matrix, np.array([1.0, 2, 3]))
    itk = sitk.ReadTransform(str(tmp_path / "x.mat"))
    flip = np.array([-1, -1, 1])
    assert_allclose(flip * itk.TransformPoint((flip * point).tolist()), (matrix @ [*point, 1])[:3], atol=1e-9)
    assert_allclose(
        flip * itk.GetInverse().TransformPoint((flip * (matrix @ [*point, 1])[:3]).tolist()), point, atol=1e-9
    )
