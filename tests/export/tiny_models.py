"""Packed models of all methods, tiny and hardly trained, and a prepared scan, for the tests of export."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch

from pipeline.data import load_manifest
from pipeline.export.files import probe
from pipeline.export.scorer_network import AtlasGrid
from pipeline.jobs import recipe
from pipeline.metrics import save_thresholds
from pipeline.networks.weights import save_weights
from pipeline.predict import model as names
from pipeline.predict.folder import seal
from pipeline.predict.pack import Source, _facts, _write_method
from pipeline.recipe import overrides_text
from pipeline.workflow import MethodWorkflow

GRID = AtlasGrid((32, 32, 81), torch.diag(torch.tensor([7.5, 7.5, 1.0, 1.0])).tolist(), 32, 60, 10)
CHEAP: dict[str, dict[str, Any]] = {
    "ddpm": {
        "network_def#channels": [8, 16],
        "network_def#attention_levels": [False, True],
        "network_def#num_head_channels": 8,
        "network_def#norm_num_groups": 8,
        "inferer#start": 20,
    },
    "ensemble": {"inferer#passes": 3},
    "bayesian_ae": {"inferer#passes": 3},
    "bayesian_vae": {"inferer#passes": 3},
    "restoration_vae": {"inferer#steps": 1},
    "spa": {"perceptual_weight": 0},
    "gmvae": {"perceptual_weight": 0},
    "gm_ir": {"perceptual_weight": 0, "inferer#steps": 1},
    "spatial_vae": {"perceptual_weight": 0},
    "gradcam_d_vae": {"latent_size": 4},
}


def write_model(method: str, dataset: Path, root: Path, cheap: Mapping[str, Any] | None = None) -> Path:
    """The folder of a model with weights as they are drawn; what learns without gradients is fitted.

    Args:
        cheap: overrides; None: those of `CHEAP`.
    """
    asked = {"max_epochs": 1, "precision": "fp32", **(CHEAP.get(method, {}) if cheap is None else cheap)}
    name = Path(method).stem
    run, out = root / "run" / name, root / "model" / name
    paths = {"dataset_dir": str(dataset), "runs_dir": str(root / "run")}
    workflow = MethodWorkflow(method=method, **paths, **asked, **{"tuning#candidates": {}})
    parser = workflow.parser
    config = recipe(parser)["config"]
    if "partial_fit" in dir(parser.get_parsed_content("network_def")):
        workflow.initialize()
        workflow.run()
    elif config["run_train"]:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = parser.get_parsed_content("network_def")
            if hasattr(network, "atlas"):
                fit_atlas(network.atlas)
            save_weights(network, parser.get_parsed_content("weights_path"))
    folder = Path(parser.get_parsed_content("output_dir"))
    row = {"presets": "", "overrides": overrides_text(asked)}
    preparation = {"sha256": "0" * 64}
    source = Source(config, folder if folder.is_dir() else run, load_manifest(dataset), preparation, {}, row)

    def fill(folder: Path) -> dict[str, Any]:
        _write_method(folder, source)
        save_thresholds(folder / names.THRESHOLDS, [])
        return {**_facts(source), "threshold": "p95", "cells": {}, "normals": 0, "patients": 0}

    return seal(out, fill)


def fit_atlas(atlas: Any) -> None:
    """Mean and deviation of a brain that is the same at every height."""
    atlas.mean, atlas.deviation = torch.full((91, 1, 32, 32), 0.4), torch.full((91, 1, 32, 32), 0.1)
    atlas.moments = atlas.moments.new_empty(0)


def write_scan(path: Path, flip: bool = False) -> np.ndarray:
    """A prepared scan; flipped, the same one stored from left to right."""
    image, affine = probe(GRID, 5)[0, 0].numpy(), np.array(GRID.affine)
    if flip:
        image, affine = image[::-1], affine @ np.array([[-1, 0, 0, 31], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    path.parent.mkdir(exist_ok=True)
    nib.save(nib.Nifti1Image(image, affine), path)
    return affine
