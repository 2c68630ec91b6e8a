"""MONAI Label's own loaders, where it is installed, run with 0.8.5.

Its requirement sam2 is built from source beside a torch for CUDA of 5 GB. The loaders do without: `--no-deps`, and
pydantic-settings, pynrrd, expiring_dict, itk, shapely and torchvision.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from tiny_models import GRID, write_scan

from pipeline.export.files import probe
from pipeline.export.served import load_scorer

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its packages
    infer = pytest.importorskip("monailabel.tasks.infer.bundle", reason="MONAI Label is not installed")
    train = pytest.importorskip("monailabel.tasks.train.bundle", reason="MONAI Label is not installed")

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.parametrize("method", ["amcons", "intensity"])]


def test_it_serves_the_map_on_the_grid_of_the_file(
    method: str, bundle_of: Callable[[str], Path], tmp_path: Path
) -> None:
    root = bundle_of(method)
    task = infer.BundleInferTask(str(root), {})
    assert task.is_valid() and task.info()["dimension"] == 3 and task.info()["type"] == "segmentation"
    expected = load_scorer(root)(probe(GRID, 5))[0, 0].detach().numpy()
    for name in ("plain", "flipped"):
        affine = write_scan(tmp_path / f"{name}.nii.gz", flip=name == "flipped")
        request = {"image": str(tmp_path / f"{name}.nii.gz"), "device": "cpu", "result_extension": ".nii.gz"}
        found = nib.load(task(request)[0])
        np.testing.assert_allclose(found.affine, affine, atol=1e-6)
        values = found.get_fdata()[::-1] if name == "flipped" else found.get_fdata()
        np.testing.assert_allclose(values, expected, atol=1e-4)


def test_it_offers_the_training_with_the_weights(method: str, bundle_of: Callable[[str], Path]) -> None:
    task = train.BundleTrainTask(str(bundle_of(method)), {})
    assert task.is_valid() and task.config()["model_filename"] == ["model.pt"]
