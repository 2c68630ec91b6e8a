"""A prior without a segmentation: the tissue probability maps of ICBM152, which come with nilearn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor

from preprocessing.config import Config, build
from preprocessing.dataset.manifest import read_manifest
from preprocessing.errors import PreprocessingError
from preprocessing.io.files import locked
from preprocessing.prior.maps import LOCK, Prior, class_maps, write_prior
from preprocessing.scan import Scan
from preprocessing.space.geometry import resample
from preprocessing.space.grid import Volume, load_grid

SOURCE = "tissue probability maps of ICBM152 (nilearn), registered to the atlas"


def default_prior(dataset: Path, out: Path, config: Config) -> None:
    """Write the prior of ICBM152 at the slice size of a prepared data set to the folder `out`.

    The mean is the map, `CSF = 1 − GM − WM` inside the brain of the atlas, the variance `mean (1 − mean)`, that of
    hard segmentations which agree with the map.

    Fonov et al. 2009, Unbiased nonlinear average age-appropriate brain templates from birth to adulthood, NeuroImage
    47(S1).

    Args:
        dataset: gives size and space.
        out: folder of the prior.
        config: resolved, of the atlas that the data set is on.

    Raises:
        PreprocessingError: no data set, it is on another atlas, or ICBM152 cannot be registered to the atlas.
    """
    manifest, atlas = read_manifest(dataset), config["atlas"]
    if manifest["space"] != atlas["space"]:
        raise PreprocessingError(f"{dataset} is on the atlas {manifest['space']}, not {atlas['space']}; see --atlas")
    grid = load_grid(Path(atlas["mask"]))
    mean = class_maps(registered_maps(config, grid), manifest["image_size"])
    facts = {
        "source": SOURCE,
        **dict.fromkeys(("name", "modality", "simulated")),
        "space": manifest["space"],
        "scans": 0,
        "items": [],
        "failed": [],
        "dataset_hash": None,
    }
    with locked(out / LOCK):
        write_prior(out, Prior(mean, mean * (1 - mean), grid), facts)


def registered_maps(config: Config, grid: Volume) -> list[np.ndarray]:
    """CSF, GM and WM [X, Y, Z] of ICBM152 on the grid of the atlas mask `grid`; their sum is 1 inside it, 0 outside."""
    from nilearn import datasets

    t1, mask, *tissues = (
        load(resolution=1)
        for load in (
            datasets.load_mni152_template,
            datasets.load_mni152_brain_mask,
            datasets.load_mni152_gm_template,
            datasets.load_mni152_wm_template,
        )
    )
    scan = Scan("sub-ICBM152", "sub-ICBM152", "T1", Path("ICBM152"), healthy=True, stripped=True)
    moved: Any = build(config, "register")({"scan": scan, "image": _tensor(t1), "brain": _tensor(mask)})
    brain = grid.array > 0
    grey, white = (
        resample(map_.get_fdata(dtype=np.float32), np.linalg.inv(map_.affine) @ moved["transform"] @ grid.affine,
                 grid.array.shape) * brain
        for map_ in tissues
    )  # fmt: skip
    total = np.maximum(grey + white, 1)  # interpolation and templates of their own: the two may exceed 1 a little
    grey, white = grey / total, white / total
    return [brain - grey - white, grey, white]


def _tensor(image: nib.Nifti1Image) -> MetaTensor:
    array = torch.from_numpy(image.get_fdata(dtype=np.float32))
    return MetaTensor(array[None], affine=torch.from_numpy(image.affine))
