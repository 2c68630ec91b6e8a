"""A head goes the whole way, from its file to prepared volumes: with the brain and lesion that it has, or refused."""

from __future__ import annotations

import json
import tempfile
from functools import lru_cache
from pathlib import Path
from unittest.mock import patch

import nibabel as nib
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from outcome import same, seen
from synthetic_atlas import write_coarse_atlas, write_quick_config
from synthetic_brain import ATLAS_AFFINE, ATLAS_SHAPE, HeadWriter, brain_at, lesion_at

from preprocessing.cohort.run import prepare
from preprocessing.errors import PreprocessingError
from preprocessing.space.atlas import Atlas

ORDERS = st.sampled_from(["RAS", "LPS", "PSR", "SAL", "IPR", "ASL"])
NAMES = st.sampled_from(["head", "Ä ß 漢", "a,b;c", "=1+1", "x.y", "100%"])


@lru_cache
def atlas() -> tuple[Atlas, Path]:
    """The synthetic brain as an atlas, and a configuration that takes scans to lie where their headers say."""
    folder = Path(tempfile.mkdtemp(prefix="lesionless-hostile-"))
    return write_coarse_atlas(folder), write_quick_config(folder / "quick.yaml")


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


@settings(max_examples=3)
@given(ORDERS, NAMES, st.sampled_from([0.0, -1024.0, 1000.0]), st.sampled_from([1.0, 0.02, 40.0]),
       st.sampled_from([".nii", ".nii.gz"]), st.sampled_from([None, None, None, 0.3, 0.9]))  # fmt: skip
def test_a_head_is_prepared_right_or_refused_by_name(
    order: str, name: str, level: float, gain: float, ending: str, cut: float | None
) -> None:
    known, config = atlas()
    with (
        tempfile.TemporaryDirectory() as folder,
        patch("preprocessing.space.atlas.ensure_atlas", lambda path=None: known),
    ):
        root = Path(folder)
        scan = HeadWriter(root)("sub-a", codes=order, lesion=True, split="test")
        stored = nib.load(scan.image)
        path = root / f"{name}{ending}"
        nib.Nifti1Image(np.asarray(stored.dataobj) * np.float32(gain) + np.float32(level), stored.affine).to_filename(
            path
        )
        if cut is not None:
            path.write_bytes(path.read_bytes()[: int(cut * path.stat().st_size)])
        object.__setattr__(scan, "image", path)
        sizes = {"image_size": 20, "slices": 4, "slice_step": 2, "workers": 0, "progress": False}
        try:
            prepare([scan], root / "out", "hostile", config=str(config), **sizes)
        except PreprocessingError as error:
            same(cut is not None, f"an ordinary head is refused: {error}")
            assert str(path) in str(error) and "unexpected" not in str(error)
            seen["refused by name"] += 1
            return
        seen["taken"] += 1
        same(cut is None, "half a file was prepared")
        item = json.loads((root / "out" / "dataset.json").read_text())["items"][0]
        brain, lesion = (np.asarray(nib.load(root / "out" / item[key]).dataobj) > 0 for key in ("brain", "lesion"))
    voxels = np.stack(np.meshgrid(*map(np.arange, ATLAS_SHAPE), indexing="ij"), axis=-1)
    points = voxels @ ATLAS_AFFINE[:3, :3].T + ATLAS_AFFINE[:3, 3]
    same(dice(brain, brain_at(points)[1]) > 0.95, "another brain")
    same(dice(lesion, lesion_at(points)) > 0.95, "another lesion")
    same(abs(item["lesion_ml"] / item["lesion_ml_native"] - 1) < 0.05, "another volume")
