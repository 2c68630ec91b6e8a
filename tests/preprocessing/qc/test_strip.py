"""Slices of a strip: in atlas space whatever the grid, upright, left on the left."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image
from synthetic_brain import CENTRE, RADII

from preprocessing.qc.head import strided
from preprocessing.qc.strip import BRAIN, LESION, PLANES, Frame, edges, outlines, photo
from preprocessing.space.atlas import Atlas
from preprocessing.space.grid import Volume, load_grid


@pytest.fixture(scope="module")
def mask(coarse_atlas: Atlas) -> Volume:
    return load_grid(coarse_atlas.mask)


def world(volume: Volume) -> np.ndarray:
    """Points in mm of the voxels, [X, Y, Z, 3]."""
    voxels = np.stack(np.meshgrid(*map(np.arange, volume.array.shape), indexing="ij"), axis=-1)
    return voxels @ volume.affine[:3, :3].T + volume.affine[:3, 3]


def decoded(uri: str) -> np.ndarray:
    kind, content = uri.split(",")
    assert kind == "data:image/webp;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def test_axes_of_the_panels(mask: Volume) -> None:
    frame, points = Frame(mask), world(mask)
    left, up, front = (
        frame.cut(Volume((mask.array * side).astype(np.float32), mask.affine), order=0)
        for side in (points[..., 0] < CENTRE[0], points[..., 2] > CENTRE[2], points[..., 1] > CENTRE[1])
    )
    whole = frame.cut(mask, order=0)
    ends = np.cumsum([0, *(frame.high[b] - frame.low[b] + 7 for b in (0, 0, 0, 0, 0, 0, 1, 1))])
    panel = [slice(a, b) for a, b in zip(ends[:-1], ends[1:], strict=True)]
    assert whole.shape[1] == ends[-1]
    for place, (axis, _) in enumerate(PLANES):
        rows, columns = np.nonzero(whole[:, panel[place]])
        if axis != 0:
            assert np.nonzero(left[:, panel[place]])[1].mean() < columns.mean()
        if axis == 0:
            assert np.nonzero(front[:, panel[place]])[1].mean() > columns.mean()
        if axis == 2:
            assert np.nonzero(front[:, panel[place]])[0].mean() < rows.mean()
        else:
            assert np.nonzero(up[:, panel[place]])[0].mean() < rows.mean()


def test_another_grid_gives_the_same_slices(mask: Volume) -> None:
    points = world(mask)
    smooth = Volume(np.exp(-(((points - CENTRE) / RADII) ** 2).sum(axis=-1)).astype(np.float32), mask.affine)
    frame = Frame(mask)
    inside = frame.cut(mask, order=0) > 0
    coarse = frame.cut(strided(smooth, 2), order=1)
    np.testing.assert_allclose(coarse[inside], frame.cut(smooth, order=1)[inside], atol=0.02)


def test_outlines_are_one_voxel_wide_and_the_last_is_above() -> None:
    square, small = np.zeros((20, 30), bool), np.zeros((20, 30), bool)
    square[4:14, 5:25], small[4:8, 5:9] = True, True
    picture = decoded(outlines([(square, BRAIN), (small, LESION)]))
    assert tuple(picture[13, 20]) == BRAIN
    assert tuple(picture[4, 5]) == LESION
    assert picture[10, 12, 3] == 0
    assert np.count_nonzero(picture[..., 3]) == 56 + 12 - 7  # two outlines that share a corner


def test_pictures_are_webp_of_the_same_size() -> None:
    grey = np.tile(np.linspace(-20, 300, 40), (30, 1))
    assert decoded(photo(grey)).shape[:2] == grey.shape
    disc = (np.hypot(*np.mgrid[-20:20, -20:20]) < 12).astype(np.float32)
    drawn = decoded(edges(disc))[..., 3] > 0
    radius = np.hypot(*np.mgrid[-20:20, -20:20])[drawn]
    assert len(radius) > 40
    assert 9 < radius.min() <= radius.max() < 15
