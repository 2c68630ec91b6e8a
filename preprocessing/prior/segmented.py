"""The prior of the healthy scans of a prepared data set, from a segmentation of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.config import Config, build
from preprocessing.dataset.manifest import healthy_items, read_manifest
from preprocessing.errors import PreprocessingError
from preprocessing.executors import Processes
from preprocessing.io.files import locked, remove_temporaries, sha256_file
from preprocessing.prior.maps import LOCK, Prior, class_maps, moments, write_prior
from preprocessing.prior.segmentations import Segmented, SegmentJob, segment_all
from preprocessing.prior.tissues import TISSUES
from preprocessing.scan import Scan
from preprocessing.space.grid import load_grid

SEGMENTATIONS = "segmentations"


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
