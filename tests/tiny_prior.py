"""A small tissue prior, and its card after a test has changed its maps."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import nibabel as nib
import numpy as np


def write_tiny_prior(root: Path, size: int = 32, slices: int = 10) -> Path:
    """A tissue prior as `preprocessing` writes it: a disc of three rings that shrinks from slice to slice."""
    yy, xx = np.mgrid[:size, :size] - (size - 1) / 2
    mean = np.zeros((size, size, slices, 4), np.float32)
    for index in range(slices):
        ring = np.clip(np.hypot(xx, yy) / ((0.5 - 0.01 * index) * size) * 3, 0, 3.99).astype(int)
        mean[:, :, index] = np.eye(4, dtype=np.float32)[ring]
    mean = 0.9 * mean + 0.025
    root.mkdir(parents=True)
    for name, maps in {"mean": mean, "variance": mean * (1 - mean)}.items():
        nib.save(nib.Nifti1Image(maps, np.eye(4)), root / f"{name}.nii.gz")
    card = {
        "format": "lesionless-prior", "version": 1, "classes": ["CSF", "GM", "WM", "background"],
        "image_size": size, "space": "SRI24", "z": [0, 10 * slices, 10],
        "source": "a disc of three rings", "cohort_hash": "0123456789abcdef",
    }  # fmt: skip
    (root / "prior.json").write_text(json.dumps(card))
    name_maps(root)
    return root


def name_maps(prior: Path) -> None:
    """Write the digests of the maps of a prior into its card."""
    card = json.loads((prior / "prior.json").read_text())
    names = ("mean", "variance")
    digests = {name: hashlib.sha256((prior / f"{name}.nii.gz").read_bytes()).hexdigest() for name in names}
    (prior / "prior.json").write_text(json.dumps({**card, "sha256": digests}))
