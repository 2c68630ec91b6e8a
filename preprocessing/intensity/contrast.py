"""Healthy T1 with a FLAIR-like contrast, since there is no open cohort of healthy FLAIR scans. Call it what it is."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform

from preprocessing.errors import PreprocessingError

# T1 on the scale 0 = CSF … 1 = white matter → FLAIR-like intensity: dark CSF, bright grey matter, darker white matter.
POINTS = ((0.0, 0.05), (0.2, 0.12), (0.5, 0.62), (0.62, 0.60), (0.85, 0.47), (1.2, 0.44))
JITTER = 0.04  # relative standard deviation of each intensity, one draw a scan
NOISE = 0.015  # standard deviation of the added noise


class FlairLiked(Transform):
    """`image` of scans with `flair_like`: T1 → FLAIR-like contrast; others pass. Seeded by the id of the scan.

    Args:
        seed: of the data set.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        scan = data["scan"]
        if not scan.flair_like:
            return dict(data)
        seed = int.from_bytes(hashlib.sha256(f"{self.seed}:{scan.id}".encode()).digest()[:4], "big")
        image = flair_like(data["image"][0].numpy(), data["brain"][0].numpy() > 0, seed)
        return {**data, "image": MetaTensor(torch.from_numpy(image.astype(np.float32))[None], data["image"].affine)}


def flair_like(image: np.ndarray, brain: np.ndarray, seed: int, noise: float = NOISE) -> np.ndarray:
    """T1 → FLAIR-like intensities by a piecewise linear map, its points jittered, plus noise.

    `y = f((x − csf) / (white − csf)) + ε`, f through POINTS and constant beyond them, `ε ~ N(0, noise²)`.

    Args:
        image: T1 [X, Y, Z], any scale.
        brain: mask [X, Y, Z], > 0 is brain.
        seed: of the jitter and the noise.
        noise: standard deviation of ε; 0: none.

    Returns:
        float32 [X, Y, Z], about 0.02 to 0.7 in the brain (always above 0) and 0 outside.

    Raises:
        PreprocessingError: shapes differ, the mask is empty, or the brain has no contrast.
    """
    if image.shape != brain.shape:
        raise PreprocessingError(f"image {image.shape} and brain mask {brain.shape} must have the same shape")
    inside = brain > 0
    csf, white = tissue_range(image[inside])
    rng = np.random.default_rng(seed)
    scale, intensity = np.array(POINTS).T
    intensity = intensity * (1 + JITTER * np.clip(rng.standard_normal(len(POINTS)), -2.5, 2.5))
    values = np.interp((image[inside] - csf) / (white - csf), scale, intensity)
    values += noise * rng.standard_normal(len(values))
    result = np.zeros(image.shape, np.float32)
    result[inside] = np.maximum(values, 0.01)
    return result


def tissue_range(values: np.ndarray) -> tuple[float, float]:
    """T1 intensities of CSF and of white matter: means of the darkest and the brightest of three classes.

    k-means in one dimension on a histogram between the percentiles 0.1 and 99.9, started from the percentiles 5, 50
    and 90; the centre of white matter hardly depends on how tight the brain mask is.

    Args:
        values: T1 intensities of the brain's voxels [N].

    Raises:
        PreprocessingError: no voxels, values that are not finite, or fewer than three intensities.
    """
    if not values.size:
        raise PreprocessingError("the brain mask is empty: no tissue to take the contrast from")
    if not np.isfinite(values).all():
        raise PreprocessingError("the brain has voxels that are not finite: no contrast to take")
    counts, edges = np.histogram(values, bins=512, range=tuple(np.percentile(values, (0.1, 99.9))))
    levels = (edges[1:] + edges[:-1]) / 2
    centres = np.percentile(values, (5, 50, 90))
    for _ in range(100):
        nearest = np.abs(levels[:, None] - centres).argmin(axis=1)
        weight = np.bincount(nearest, counts, minlength=3)
        if not weight.all():
            raise PreprocessingError("the brain has fewer than three intensities: not a T1 contrast")
        before, centres = centres, np.bincount(nearest, counts * levels, minlength=3) / weight
        if np.allclose(before, centres, rtol=1e-6):
            break
    return float(centres[0]), float(centres[2])
