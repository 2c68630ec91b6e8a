"""`dataset.json` and the slice arrays: the only door from preprocessing to whoever reads the data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import nibabel as nib
import numpy as np
from numpy.lib.format import open_memmap

from preprocessing import derivatives
from preprocessing.config import Config, build, versions
from preprocessing.errors import PreprocessingError
from preprocessing.executors import Processes
from preprocessing.files import replaced, sha256_file, sha256_json, write_json
from preprocessing.grid import load_grid
from preprocessing.ledger import Record, read
from preprocessing.pseudo_volume import grid_affine
from preprocessing.scan import SPLITS, Scan

FORMAT = {"format": "lesionless-dataset", "version": 1}
ARRAYS = {"image": np.float32, "brain": np.uint8, "lesion": np.uint8}
UNKNOWN = 255  # lesion voxels of scans without a complete label


@dataclass(frozen=True)
class SliceJob:
    """A prepared scan whose slices are wanted."""

    out: Path
    scan: Scan
    config: Config


def write_manifest(
    out: Path,
    name: str,
    scans: Sequence[Scan],
    records: dict[str, Record],
    split: dict[str, str],
    config: Config,
    provenance: dict[str, Any],
    executor: Processes,
) -> Path:
    """Write slice arrays and `dataset.json` for the scans that have a record; its path.

    Identical input gives identical files; nothing is written where they are up to date.

    Raises:
        PreprocessingError: two scans with the same content, or a path outside the data set.
    """
    usable = [scan for scan in scans if scan.id in records]
    scans = sorted(usable, key=lambda scan: (SPLITS.index(split[scan.id]), scan.id))
    geometry = _geometry(config)
    items = _items(scans, records, split, config)
    check_items(items)
    old, path = read(out / "dataset.json"), out / "dataset.json"
    request = sha256_json([items, geometry, [records[scan.id]["key"] for scan in scans], config["pseudo_volume"]])
    if old is not None and old["provenance"]["request"] == request and _in_place(out, old["splits"]):
        splits = old["splits"]
    else:
        splits = _write_slices(out, scans, items, config, executor)
    content = {
        **FORMAT,
        "name": name,
        "simulated": any(scan.simulated for scan in scans),
        "modality": scans[0].contrast,
        "space": derivatives.SPACE,
        **geometry,
        "splits": splits,
        "items": items,
        "provenance": {**provenance, "versions": versions(), "request": request},
        "hash": sha256_json([items, splits, geometry]),
    }
    if content != old:
        derivatives.write_description(out, name, content["simulated"])
        write_json(path, content)
    return path


def check_items(items: Sequence[dict[str, Any]]) -> None:
    """Refuse a manifest that names an id twice, the same scan twice, or a file outside its folder.

    Raises:
        PreprocessingError: one of these.
    """
    for key, rule in (("id", "duplicate subject: the scan id"), ("input_sha256", "two scans have the same content:")):
        value, count = Counter(item[key] for item in items).most_common(1)[0]
        if count > 1:
            ids = " and ".join(item["id"] for item in items if item[key] == value)
            raise PreprocessingError(f"{rule} {value if key == 'id' else ids}; each may be there once")
    for item in items:
        for key in ARRAYS:
            if item[key] is not None and _leaves(item[key]):
                raise PreprocessingError(f"{item['id']}: the path {item[key]!r} is outside the data set")


def slices(job: SliceJob) -> dict[str, np.ndarray]:
    """`image`, `brain`, `lesion` [N, H, W] of a prepared scan; the lesions of an unlabelled scan are `UNKNOWN`."""
    files = derivatives.names(job.scan)
    images: dict[str, Any] = {key: nib.load(job.out / files[key]) for key in ARRAYS if key in files}
    result = build(job.config, "pseudo_volume")({key: image.dataobj for key, image in images.items()})
    if "lesion" not in result:
        result["lesion"] = np.full_like(result["brain"], 0 if job.scan.labelled else UNKNOWN)
    return result


def _geometry(config: Config) -> dict[str, Any]:
    transform: Any = build(config, "pseudo_volume")
    atlas = load_grid(Path(config["atlas"]["brain"]))
    affine = grid_affine(atlas.affine, atlas.array.shape, transform.size, transform.z, transform.step)
    return {
        "image_size": transform.size,
        "slices": len(transform.z),
        "spacing_mm": [round(float(value), 6) for value in np.diag(affine)[:3]],
        "affine": affine.tolist(),
    }


def _items(
    scans: Sequence[Scan], records: dict[str, Record], split: dict[str, str], config: Config
) -> list[dict[str, Any]]:
    transform: Any = build(config, "pseudo_volume")
    n, start, items = len(transform.z), Counter[str](), []
    for scan in scans:
        part, checks, files = split[scan.id], records[scan.id]["checks"], derivatives.names(scan)
        items.append(
            {
                "id": scan.id,
                "subject": scan.subject,
                "split": part,
                "healthy": scan.healthy,
                "labelled": scan.labelled,
                "flair_like": scan.flair_like,
                "rows": [start[part], start[part] + n],
                "z": transform.z,
                **{key: files[key].as_posix() if key in files else None for key in ARRAYS},
                "input_sha256": records[scan.id]["input_sha256"],
                "lesion_ml": checks["lesion_ml"],
                "lesion_ml_native": checks["lesion_ml_native"],
            }
        )
        start[part] += n
    return items


def _write_slices(
    out: Path, scans: Sequence[Scan], items: Sequence[dict[str, Any]], config: Config, executor: Processes
) -> dict[str, Any]:
    rows = {item["id"]: item["rows"] for item in items}
    splits = {}
    for part in (name for name in SPLITS if any(item["split"] == name for item in items)):
        jobs = [SliceJob(out, scan, config) for scan, item in zip(scans, items, strict=True) if item["split"] == part]
        splits[part] = _write_split(out, part, jobs, rows, executor)
    return splits


def _write_split(
    out: Path, part: str, jobs: Sequence[SliceJob], rows: dict[str, list[int]], executor: Processes
) -> dict[str, Any]:
    size = jobs[0].config["image_size"]
    shape = (max(rows[job.scan.id][1] for job in jobs), size, size)
    paths = {key: f"slices/{part}_{key}.npy" for key in ARRAYS}
    with (
        replaced(out / paths["image"]) as image,
        replaced(out / paths["brain"]) as brain,
        replaced(out / paths["lesion"]) as lesion,
    ):
        temporary = {"image": image, "brain": brain, "lesion": lesion}
        arrays = {key: open_memmap(temporary[key], "w+", dtype, shape) for key, dtype in ARRAYS.items()}
        for job, result in executor.run(slices, jobs):
            if result is None:
                raise PreprocessingError(f"{job.scan.id}: the process that read its slices died")
            for key, array in arrays.items():
                array[slice(*rows[job.scan.id])] = result[key]
        for array in arrays.values():
            array.flush()
    return {**paths, "rows": shape[0], "sha256": {key: sha256_file(out / path) for key, path in paths.items()}}


def _in_place(out: Path, splits: dict[str, Any]) -> bool:
    paths = [(out / part[key], digest) for part in splits.values() for key, digest in part["sha256"].items()]
    return all(path.is_file() and sha256_file(path) == digest for path, digest in paths)


def _leaves(path: str) -> bool:
    pure = PurePosixPath(path)
    return pure.is_absolute() or ".." in pure.parts


def expected_bytes(scans: Iterable[Scan], config: Config) -> int:
    """Size of the slice arrays of `scans`."""
    return sum(config["slices"] * config["image_size"] ** 2 * 6 for _ in scans)
