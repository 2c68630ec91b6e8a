"""Fixtures: the synthetic brain as scans and as an atlas, and the steps at its resolution."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml
from synthetic_brain import ATLAS_AFFINE, ATLAS_SHAPE, HeadWriter, brain_at

from preprocessing.config import load_config
from preprocessing.io.files import sha256_file, write_json
from preprocessing.space.atlas import RECORD, SOURCES, Atlas


@pytest.fixture
def head(tmp_path: Path) -> HeadWriter:
    return HeadWriter(tmp_path / "raw")


@pytest.fixture(scope="session")
def coarse_atlas(tmp_path_factory: pytest.TempPathFactory) -> Atlas:
    """The synthetic brain at 4 mm in place of SRI-24."""
    return write_coarse_atlas(tmp_path_factory.mktemp("atlas"))


def write_coarse_atlas(folder: Path) -> Atlas:
    """The files of that atlas."""
    voxels = np.stack(np.meshgrid(*map(np.arange, ATLAS_SHAPE), indexing="ij"), axis=-1)
    image, mask = brain_at(voxels @ ATLAS_AFFINE[:3, :3].T + ATLAS_AFFINE[:3, 3])
    paths = [folder / name for name in ("head.nii.gz", "brain.nii.gz", "mask.nii.gz")]
    for path, array in zip(paths, (image, image, mask), strict=True):
        nib.Nifti1Image(array.astype(np.float32), ATLAS_AFFINE).to_filename(path)
    write_json(folder / RECORD, {"sources": SOURCES, "files": {path.name: sha256_file(path) for path in paths}})
    return Atlas(*paths, folder)


@pytest.fixture(scope="session")
def coarse_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """base.yaml at the resolution of the synthetic atlas: the same steps in tenths of a second."""
    config = load_config("base", {})
    settings = {"spacing_mm": 4.0, "coarse_mm": 12.0, "iterations": [60, 30], "shrink": [2, 1], "smoothing": [1, 0]}
    config["register"].update(settings, sampling=0.5)
    config["pseudo_volume"] = {**config["pseudo_volume"], "centre": 19}
    path = tmp_path_factory.mktemp("config") / "coarse.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="session")
def quick_config(coarse_config: Path) -> Path:
    """coarse_config without a registration: scans lie where their headers say."""
    return write_quick_config(coarse_config.with_name("quick.yaml"))


def write_quick_config(path: Path) -> Path:
    """The file of that configuration."""
    config = load_config("base", {})
    config["register"] = {"_target_": "synthetic_brain.ByHeader", "moves": {}}
    config["pseudo_volume"] = {**config["pseudo_volume"], "centre": 19}
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture
def use_coarse_atlas(monkeypatch: pytest.MonkeyPatch, coarse_atlas: Atlas) -> Callable[..., Atlas]:
    """`ensure_atlas` gives the synthetic atlas."""
    monkeypatch.setattr("preprocessing.space.atlas.ensure_atlas", lambda path=None: coarse_atlas)
    return lambda path=None: coarse_atlas
