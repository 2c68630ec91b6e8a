"""The small head of the page: on the atlas grid, the brain within the greys, no face."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from synthetic_brain import ATLAS_AFFINE, CENTRE, HeadWriter, brain_at, rigid

from preprocessing.io.nifti import load_volume
from preprocessing.qc.head import BRIGHT, DARK, PictureHeadd, strided
from preprocessing.space.atlas import Atlas
from preprocessing.space.grid import Volume, load_grid


def head_of(head: HeadWriter, atlas: Atlas, move: np.ndarray, **settings: Any) -> Volume:
    """The picture of a synthetic head with a scalp: bright everywhere outside the brain."""
    array, affine = load_volume(head(move=move).image)
    brain = (array > 0).astype(np.float32)
    array = np.where(brain > 0, array, 500).astype(np.float32)
    tensors = {
        key: MetaTensor(torch.from_numpy(value)[None], affine=torch.from_numpy(affine))
        for key, value in {"image": array, "brain": brain}.items()
    }
    options = {"stride": 2, "margin_mm": 15.0, "low": 0.5, "high": 99.5, **settings}
    return Volume.of(PictureHeadd(str(atlas.mask), **options)({**tensors, "transform": move})["head"])


def test_a_moved_head_lies_on_the_atlas(head: HeadWriter, coarse_atlas: Atlas) -> None:
    picture = head_of(head, coarse_atlas, rigid((10, -5, 8), (12, -9, 4)))
    np.testing.assert_array_equal(picture.affine, ATLAS_AFFINE @ np.diag([2, 2, 2, 1]))
    voxels = np.stack(np.meshgrid(*map(np.arange, picture.array.shape), indexing="ij"), axis=-1)
    points = voxels @ picture.affine[:3, :3].T + picture.affine[:3, 3]
    expected, inside = brain_at(points)
    deep = inside & (np.linalg.norm((points - CENTRE) / (64, 84, 62), axis=-1) < 0.8)
    assert np.corrcoef(picture.array[deep], expected[deep])[0, 1] > 0.99


def test_the_brain_keeps_room_in_the_greys_and_the_face_is_dark(head: HeadWriter, coarse_atlas: Atlas) -> None:
    picture = head_of(head, coarse_atlas, np.eye(4))
    mask = strided(load_grid(coarse_atlas.mask), 2).array > 0
    assert picture.array.min() == 0
    assert picture.array.max() == 255
    assert DARK - 1 <= np.percentile(picture.array[mask], 2) < np.percentile(picture.array[mask], 95) <= BRIGHT + 1
    assert picture.array[0].max() == 0
    ends = [np.flatnonzero((picture.array > 0).any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    brain = [np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    for shown, inside in zip(ends, brain, strict=True):
        assert 0 <= inside[0] - shown[0] <= 2  # 15 mm in voxels of 8 mm
        assert 0 <= shown[-1] - inside[-1] <= 2


def test_a_wider_margin_shows_more(head: HeadWriter, coarse_atlas: Atlas) -> None:
    narrow, wide = (head_of(head, coarse_atlas, np.eye(4), margin_mm=margin).array > 0 for margin in (8.0, 24.0))
    assert (wide | narrow).sum() == wide.sum() > narrow.sum()
