"""Heads of three tissues one inside the other, as images of each contrast and as a prepared data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from preprocessing.io.files import write_json

SHAPE, AFFINE = (40, 44, 32), np.array([[4.0, 0, 0, -150], [0, 4, 0, 0], [0, 0, 4, 0], [0, 0, 0, 1]])
# Intensity of CSF, GM and WM.
INTENSITIES = {"T1": (0.2, 0.5, 0.8), "FLAIR": (0.1, 0.7, 0.45), "T2": (0.9, 0.6, 0.3)}


def brain_of_tissues(shift: Sequence[int] = (0, 0, 0), scale: float = 1.0) -> np.ndarray:
    """Labels of ellipsoids in each other: 1 CSF outside, 2 GM, 3 WM inside; `shift` in voxels."""
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    centre = np.array(SHAPE) / 2 + shift
    radius = np.linalg.norm((grid - centre) / (np.array(SHAPE) * 0.35 * scale), axis=-1)
    return np.select([radius < 0.65, radius < 0.85, radius < 1], [3, 2, 1], 0).astype(np.uint8)


BRAIN = brain_of_tissues()


def paint(labels: np.ndarray, contrast: str, seed: int, noise: float = 0.03) -> np.ndarray:
    """An image of these tissues in (0, 1], 0 outside; the noise follows the brain where it is shifted."""
    inside = labels > 0
    image = np.zeros(labels.shape, np.float32)
    values = np.array([0, *INTENSITIES[contrast]])[labels[inside]]
    image[inside] = np.clip(values + noise * np.random.default_rng(seed).standard_normal(len(values)), 1e-3, 1)
    return image


def write_prepared(root: Path, brains: dict[str, np.ndarray], contrast: str = "T1", size: int = SHAPE[0]) -> Path:
    """A prepared data set of healthy training scans, as far as `prior` reads it."""
    items: list[dict[str, Any]] = []
    for seed, (name, labels) in enumerate(brains.items()):
        item = {"id": name, "subject": name, "healthy": True, "split": "train"}
        arrays = {"image": paint(labels, contrast, seed), "brain": (labels > 0).astype(np.uint8)}
        for key, array in arrays.items():
            item[key] = f"{name}_{key}.nii.gz"
            (root / str(item[key])).parent.mkdir(parents=True, exist_ok=True)
            nib.Nifti1Image(array, AFFINE).to_filename(root / str(item[key]))
        items.append(item)
    manifest = {"name": "ellipsoids", "modality": contrast, "simulated": True, "space": "mine", "image_size": size}
    write_json(root / "dataset.json", {**manifest, "items": items, "hash": "0" * 64})
    return root
