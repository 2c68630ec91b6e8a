"""The tissue prior of SPA: where CSF, grey and white matter are in healthy brains, pixel by pixel.

Bercea et al. 2022, SPA: Shape-Prior Variational Autoencoders for Unsupervised Brain Pathology Segmentation, section 3.
The files are described in docs/DATASET.md, section Prior.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.dataset.pseudo_volume import area_weights, grid_affine
from preprocessing.io.files import sha256_file, sha256_json, write_json, write_nifti
from preprocessing.prior.picture import draw
from preprocessing.prior.tissues import TISSUES
from preprocessing.space.grid import Volume

FORMAT = {"format": "lesionless-prior", "version": 1}
CLASSES = (*TISSUES, "background")
LOCK = "lock"


@dataclass(frozen=True)
class Prior:
    """Where tissue is in a cohort.

    Args:
        mean: [W, H, S, 4] in [0, 1], the classes last.
        variance: [W, H, S, 4], of the population.
        grid: the atlas grid that the slices come from.
    """

    mean: np.ndarray
    variance: np.ndarray
    grid: Volume


def moments(volumes: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (of the population) of arrays of one shape, one of them in memory at a time.

    `m_n = m_{n−1} + (x_n − m_{n−1}) / n`, `s_n = s_{n−1} + (x_n − m_{n−1}) (x_n − m_n)`, variance `s_n / n` (Welford
    1962, Note on a method for calculating corrected sums of squares and products, Technometrics 4(3)).
    """
    count, mean, squares = 0, np.zeros(()), np.zeros(())
    for volume in volumes:
        count += 1
        away = volume - mean
        mean = mean + away / count
        squares = squares + away * (volume - mean)
    return mean, squares / count


def class_maps(tissues: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Maps of CSF, GM and WM [X, Y, Z] in [0, 1] → [size, size, Z, 4]: means over the area of each new pixel.

    The last class, background, is what they leave of 1.
    """
    rows, columns = (area_weights(length, size) for length in tissues[0].shape[:2])
    maps = [np.einsum("wx,xyz,hy->whz", rows, tissue, columns, optimize=True) for tissue in tissues]
    return np.stack([*maps, 1 - sum(maps)], axis=-1)


def write_prior(out: Path, prior: Prior, facts: dict[str, Any]) -> None:
    """Write the maps, the picture, and at last `prior.json`, which vouches for them; `facts` go into it as they are."""
    shape, size = prior.grid.array.shape, prior.mean.shape[0]
    affine = grid_affine(prior.grid.affine, shape, size, range(shape[2]))
    maps = {"mean": prior.mean, "variance": prior.variance}
    for name, array in maps.items():
        write_nifti(out / f"{name}.nii.gz", array.astype(np.float32), affine)
    draw(out / "qc.png", Volume(prior.mean, affine), prior.grid, CLASSES, facts["source"])
    geometry = {
        "classes": list(CLASSES),
        "image_size": size,
        "z": [0, shape[2], 1],
        "spacing_mm": [round(float(value), 6) for value in np.diag(affine)[:3]],
        "affine": affine.tolist(),
    }
    content = {
        **FORMAT,
        **geometry,
        **facts,
        "cohort_hash": sha256_json([facts["items"], facts["source"], geometry]),
        "sha256": {name: sha256_file(out / f"{name}.nii.gz") for name in maps},
    }
    write_json(out / "prior.json", content)
