"""The tissue prior of SPA: where CSF, grey and white matter are in healthy brains, pixel by pixel.

Bercea et al. 2022, SPA: Shape-Prior Variational Autoencoders for Unsupervised Brain Pathology Segmentation, section 3.
The files are described in docs/DATASET.md, section Prior.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.config import Config, build
from preprocessing.errors import PreprocessingError
from preprocessing.executors import Processes
from preprocessing.files import locked, remove_temporaries, sha256_file, sha256_json, write_json, write_nifti
from preprocessing.grid import Volume, load_grid
from preprocessing.manifest import healthy_items, read_manifest
from preprocessing.pseudo_volume import area_weights, grid_affine
from preprocessing.qc.prior import draw
from preprocessing.scan import Scan
from preprocessing.segmentations import Segmented, SegmentJob, segment_all
from preprocessing.tissues import TISSUES

FORMAT = {"format": "lesionless-prior", "version": 1}
CLASSES = (*TISSUES, "background")
SEGMENTATIONS, LOCK = "segmentations", "lock"


@dataclass(frozen=True)
class Prior:
    """mean, variance: [W, H, S, 4], the classes last; grid: the atlas grid that the slices come from."""

    mean: np.ndarray
    variance: np.ndarray
    grid: Volume


def segmented_prior(
    dataset: Path, out: Path, config: Config, workers: int, progress: bool = True
) -> tuple[Segmented, Segmented]:
    """Segment the healthy training and test scans of a prepared data set; the prior of the first to the folder `out`.

    The test scans are what tissue maps of a model are compared with; nothing of them is in the prior. A scan with a
    lesion has no segmentation: its lesion would be taken for a tissue. A rerun makes only what is missing.

    Returns:
        The training scans and the test scans.

    Raises:
        PreprocessingError: no data set, a modality without an order of tissues, no training scan can be segmented, or
            another process makes a prior in this folder.
    """
    manifest = read_manifest(dataset)
    training, test = ([_job(dataset, out, item, manifest, config) for item in healthy_items(manifest, split)]
                      for split in ("train", "test"))  # fmt: skip
    if not training:
        raise PreprocessingError(f"{dataset}: no healthy training scan to make a prior of")
    build(config, "tissues").transforms[-1].ranks(manifest["modality"])  # type: ignore[attr-defined]
    with locked(out / LOCK):
        remove_temporaries(out)
        done = segment_all(training, Processes(workers), progress)
        if not done.paths:
            raise PreprocessingError(f"no scan could be segmented; the first reason: {min(done.failures.values())}")
        _write_moments(out, done, manifest)
        return done, segment_all(test, Processes(workers), progress)


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


def _write_moments(out: Path, done: Segmented, manifest: dict[str, Any]) -> None:
    paths = [done.paths[name] for name in sorted(done.paths)]
    facts = {
        "source": f"Atropos segmentations of {len(paths)} healthy scans",
        **{key: manifest[key] for key in ("name", "modality", "simulated", "space")},
        "scans": len(paths),
        "items": [{"id": name, "sha256": sha256_file(done.paths[name])} for name in sorted(done.paths)],
        "failed": [{"id": name, "reason": why} for name, why in sorted(done.failures.items())],
        "dataset_hash": manifest["hash"],
    }
    mean, variance = moments(_maps_of(paths, manifest["image_size"]))
    write_prior(out, Prior(mean, variance, load_grid(paths[0])), facts)


def _maps_of(paths: Sequence[Path], size: int) -> Iterator[np.ndarray]:
    for path in paths:
        labels = load_grid(path).array
        yield class_maps([(labels == label).astype(np.float32) for label in range(1, len(TISSUES) + 1)], size)


def _job(dataset: Path, out: Path, item: dict[str, Any], manifest: dict[str, Any], config: Config) -> SegmentJob:
    image, brain = dataset / item["image"], dataset / item["brain"]
    scan = Scan(item["id"], item["subject"], manifest["modality"], image, brain=brain, healthy=True, stripped=True)
    return SegmentJob(scan, out / SEGMENTATIONS / f"{scan.id}_space-{manifest['space']}_dseg.nii.gz", config)
