"""The prior of ICBM152: on the grid of the data set's slices, and where the tissues of the atlas are."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from synthetic_tissues import BRAIN, write_prepared

from preprocessing.config import load_config
from preprocessing.errors import PreprocessingError
from preprocessing.prior.icbm152 import default_prior
from preprocessing.prior.maps import class_maps
from preprocessing.prior.tissues import tissue_dice
from preprocessing.space.atlas import brain_mask


def test_another_atlas_is_refused(tmp_path: Path) -> None:
    dataset = write_prepared(tmp_path / "dataset", {"sub-a": BRAIN})
    config = {**load_config("base", {}), "atlas": {"space": "SRI24"}}
    with pytest.raises(PreprocessingError, match="is on the atlas mine, not SRI24; see --atlas"):
        default_prior(dataset, tmp_path / "prior", config)


@pytest.mark.shared
@pytest.mark.slow
def test_tissues_are_where_the_atlas_has_them(tmp_path: Path, shared_data: Path) -> None:
    folder = shared_data / "sri24"
    t1 = nib.funcs.squeeze_image(nib.load(folder / "sri24_t1.nii.gz"))
    nib.Nifti1Image(brain_mask(np.asarray(t1.dataobj)), t1.affine).to_filename(tmp_path / "mask.nii.gz")
    atlas = {"brain": str(folder / "sri24_t1.nii.gz"), "T2": None, "mask": str(tmp_path / "mask.nii.gz")}
    dataset = write_prepared(tmp_path / "dataset", {"sub-a": BRAIN}, size=60)
    manifest = json.loads((dataset / "dataset.json").read_text())
    (dataset / "dataset.json").write_text(json.dumps({**manifest, "space": "SRI24"}))
    default_prior(dataset, tmp_path / "prior", {**load_config("base", {}), "atlas": {**atlas, "space": "SRI24"}})
    mean, variance = (
        np.asarray(nib.load(tmp_path / "prior" / f"{key}.nii.gz").dataobj) for key in ("mean", "variance")
    )
    assert mean.shape == (60, 60, 155, 4)
    np.testing.assert_allclose(mean.sum(axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(variance, mean * (1 - mean), atol=1e-5)
    labels = np.rint(nib.as_closest_canonical(nib.load(folder / "sri24_tissues.nii.gz")).get_fdata()).squeeze()
    atlas_maps = class_maps([(labels == label).astype(np.float32) for label in (1, 2, 3)], 60)
    found, expected = (np.array([1, 2, 3, 0])[maps.argmax(axis=-1)] for maps in (mean, atlas_maps))
    dice = tissue_dice(found, expected)
    assert min(dice["GM"], dice["WM"]) > 0.7
