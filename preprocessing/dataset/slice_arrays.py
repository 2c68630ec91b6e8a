"""The slices of a prepared data set on disk: memory-mapped arrays, one of each kind a split."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.lib.format import open_memmap

from preprocessing.config import Config
from preprocessing.dataset import derivatives
from preprocessing.dataset.pseudo_volume import pseudo_volume, slice_areas
from preprocessing.errors import PreprocessingError
from preprocessing.executors import Executor
from preprocessing.io.files import replaced, reserve, sha256_file
from preprocessing.scan import SPLITS, Scan
from preprocessing.space.grid import load_grid

VOLUMES = ("image", "brain", "lesion")
ARRAYS = {"image": np.float32, "brain": np.uint8, "lesion": np.uint8, "lesion_share": np.float32}
UNKNOWN = 255  # lesion voxels of scans without a complete label


@dataclass(frozen=True)
class SliceJob:
    """A prepared scan whose slices are wanted."""

    out: Path
    scan: Scan
    config: Config


def slices(job: SliceJob) -> dict[str, np.ndarray]:
    """`image`, `brain`, `lesion` [N, H, W] of a prepared scan and `lesion_share` [N]: lesion voxels / brain voxels.

    Shares are those of the atlas grid, where no small lesion is lost: 0 marks a normal slice. The lesions of an
    unlabelled scan are `UNKNOWN`, their shares NaN.
    """
    files = derivatives.names(job.scan, job.config["atlas"]["space"])
    images: dict[str, Any] = {key: nib.load(job.out / files[key]) for key in VOLUMES if key in files}
    volumes = {key: image.dataobj if key == "image" else np.asarray(image.dataobj) for key, image in images.items()}
    transform = pseudo_volume(job.config)
    result = transform(volumes)
    if "lesion" not in result:
        result["lesion"] = np.full_like(result["brain"], 0 if job.scan.labelled else UNKNOWN)
    areas = {key: np.array(slice_areas(volumes[key])) for key in ("brain", "lesion") if key in volumes}
    share = areas.get("lesion", 0 * areas["brain"]) / np.maximum(areas["brain"], 1)
    z = transform.scan_slices(volumes["brain"].shape, areas["brain"])
    result["lesion_share"] = share[z] if job.scan.labelled else np.full(len(z), np.nan)
    return result


def write_splits(
    out: Path, scans: Sequence[Scan], items: Sequence[dict[str, Any]], config: Config, executor: Executor
) -> dict[str, Any]:
    """Write the arrays of every split that has an item; per split the paths, the number of rows and the SHA-256."""
    rows = {item["id"]: item["rows"] for item in items}
    known = {scan.id: scan for scan in scans}
    splits = {}
    for part in (name for name in SPLITS if any(item["split"] == name for item in items)):
        jobs = [SliceJob(out, known[item["id"]], config) for item in items if item["split"] == part]
        splits[part] = _write_split(out, part, jobs, rows, executor)
    return splits


def _write_split(
    out: Path, part: str, jobs: Sequence[SliceJob], rows: dict[str, list[int]], executor: Executor
) -> dict[str, Any]:
    size = jobs[0].config["image_size"]
    count = max(rows[job.scan.id][1] for job in jobs)
    paths = {key: f"slices/{part}_{key}.npy" for key in ARRAYS}
    with ExitStack() as stack:
        temporary = {key: stack.enter_context(replaced(out / path)) for key, path in paths.items()}
        shapes = {key: (count, size, size) if key in VOLUMES else (count,) for key in ARRAYS}
        arrays = {key: open_memmap(temporary[key], "w+", dtype, shapes[key]) for key, dtype in ARRAYS.items()}
        for path in temporary.values():
            reserve(path)
        for job, result in executor.run(slices, jobs):
            if result is None:
                raise PreprocessingError(f"{job.scan.id}: the process that read its slices died")
            for key, array in arrays.items():
                array[slice(*rows[job.scan.id])] = result[key]
        for array in arrays.values():
            array.flush()
    return {**paths, "rows": count, "sha256": {key: sha256_file(out / path) for key, path in paths.items()}}


def in_place(out: Path, splits: dict[str, Any]) -> bool:
    """Whether the arrays of a manifest's `splits` are there, byte for byte."""
    paths = [(out / part[key], digest) for part in splits.values() for key, digest in part["sha256"].items()]
    return all(path.is_file() and sha256_file(path) == digest for path, digest in paths)


def expected_bytes(count: int, config: Config) -> int:
    """Size of the slice arrays of `count` scans; with all slices, as if each had the whole height of its atlas."""
    depth = load_grid(Path(config["atlas"]["brain"])).array.shape[2]
    rows = len(pseudo_volume(config).grid_slices(depth))
    return count * rows * config["image_size"] ** 2 * 6
