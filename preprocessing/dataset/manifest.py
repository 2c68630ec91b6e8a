"""`dataset.json`: the only door from preprocessing to whoever reads the data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from preprocessing.config import Config
from preprocessing.dataset import derivatives
from preprocessing.dataset.pseudo_volume import grid_affine, pseudo_volume
from preprocessing.dataset.slice_arrays import VOLUMES, in_place, write_splits
from preprocessing.errors import PreprocessingError
from preprocessing.executors import Executor
from preprocessing.io.files import read_json, sha256_json, write_json
from preprocessing.scan import SPLITS, Scan
from preprocessing.space.grid import load_grid
from preprocessing.versions import versions

FORMAT = {"format": "lesionless-dataset", "version": 1}
MEASURED = ("validation", "test")  # splits whose lesions are searched for


def write_manifest(
    out: Path,
    name: str,
    scans: Sequence[Scan],
    records: dict[str, dict[str, Any]],
    split: dict[str, str],
    config: Config,
    provenance: dict[str, Any],
    executor: Executor,
) -> tuple[Path, int]:
    """Write slice arrays and `dataset.json` for the scans that have a record; its path and the count left out.

    Identical input gives identical files; nothing is written where they are up to date. Scans of validation and test
    whose lesions are a smaller share of their pseudo-volume than `min_lesion_share` are left out, and named.

    Raises:
        PreprocessingError: two scans with the same content, a path outside the data set, or no scan is left.
    """
    usable = sorted((s for s in scans if s.id in records), key=lambda scan: (SPLITS.index(split[scan.id]), scan.id))
    shape = load_grid(Path(config["atlas"]["brain"])).array.shape
    z = {scan.id: _scan_slices(scan, records[scan.id], config, shape) for scan in usable}
    left_out = _left_out(usable, records, z, split, config, shape)
    small = {scan["id"] for scan in left_out}
    scans = [scan for scan in usable if scan.id not in small]
    geometry, items = _geometry(config), _items(scans, records, z, split, config["atlas"]["space"])
    check_items(items)
    old, path = read_json(out / "dataset.json"), out / "dataset.json"
    request = sha256_json([items, geometry, [records[scan.id]["key"] for scan in scans], config["pseudo_volume"]])
    splits = _unchanged(out, old, request) or write_splits(out, scans, items, config, executor)
    content = {
        **_identity(name, scans, config),
        **geometry,
        "min_lesion_share": config["min_lesion_share"],
        "splits": splits,
        "items": items,
        "left_out": left_out,
        "provenance": {**provenance, "versions": versions(), "request": request},
        "hash": sha256_json([items, splits, geometry]),
    }
    if content != old:
        derivatives.write_description(out, name, content["simulated"], content["space"])
        write_json(path, content)
    return path, len(left_out)


def read_manifest(out: Path) -> dict[str, Any]:
    """The manifest of a prepared data set.

    Raises:
        PreprocessingError: there is none.
    """
    path = out / "dataset.json"
    if (manifest := read_json(path)) is None:
        raise PreprocessingError(f"{path}: no such file; prepare the data set first")
    return manifest


def healthy_items(manifest: dict[str, Any], split: str = "train") -> list[dict[str, Any]]:
    """The healthy scans of a split of a manifest."""
    return [item for item in manifest["items"] if item["healthy"] and item["split"] == split]


def _unchanged(out: Path, old: dict[str, Any] | None, request: str) -> dict[str, Any] | None:
    """The splits of the manifest that is there, if it answers the same request and its arrays are in place."""
    if old is None or old["provenance"]["request"] != request or not in_place(out, old["splits"]):
        return None
    splits: dict[str, Any] = old["splits"]
    return splits


def _identity(name: str, scans: Sequence[Scan], config: Config) -> dict[str, Any]:
    simulated, modality = any(scan.simulated for scan in scans), scans[0].contrast
    space = config["atlas"]["space"]
    return {**FORMAT, "name": name, "simulated": simulated, "modality": modality, "space": space}


def check_items(items: Sequence[dict[str, Any]]) -> None:
    """Refuse a manifest that names an id twice, the same scan twice, or a file outside its folder.

    Raises:
        PreprocessingError: one of these, or no items.
    """
    if not items:
        raise PreprocessingError("no scan is left: all lesions are smaller than min_lesion_share")
    for key, rule in (("id", "duplicate subject: the scan id"), ("input_sha256", "two scans have the same content:")):
        value, count = Counter(item[key] for item in items).most_common(1)[0]
        if count > 1:
            ids = " and ".join(item["id"] for item in items if item[key] == value)
            raise PreprocessingError(f"{rule} {value if key == 'id' else ids}; each may be there once")
    for item in items:
        for key in VOLUMES:
            if item[key] is not None and _leaves(item[key]):
                raise PreprocessingError(f"{item['id']}: the path {item[key]!r} is outside the data set")


def _geometry(config: Config) -> dict[str, Any]:
    transform = pseudo_volume(config)
    atlas = load_grid(Path(config["atlas"]["brain"]))
    z = transform.grid_slices(atlas.array.shape[2])
    affine = grid_affine(atlas.affine, atlas.array.shape, transform.size, z)
    return {
        "image_size": transform.size,
        "slices": transform.slices,
        "spacing_mm": [round(float(value), 6) for value in np.diag(affine)[:3]],
        "z": [z.start, z.stop, z.step],
        "affine": affine.tolist(),
    }


def _scan_slices(scan: Scan, record: dict[str, Any], config: Config, shape: tuple[int, ...]) -> range:
    try:
        return pseudo_volume(config).scan_slices(shape, record["areas"]["brain"])
    except PreprocessingError as error:
        raise PreprocessingError(f"{scan.id}: {error}") from error


def _left_out(
    scans: Sequence[Scan],
    records: dict[str, dict[str, Any]],
    z: dict[str, range],
    split: dict[str, str],
    config: Config,
    shape: tuple[int, ...],
) -> list[dict[str, str]]:
    """The scans of MEASURED with too little lesion: share of all voxels of the slices, at the atlas's resolution."""
    least, left_out = config["min_lesion_share"], []
    for scan in (scan for scan in scans if split[scan.id] in MEASURED and scan.labelled and not scan.healthy):
        voxels = sum(records[scan.id]["areas"]["lesion"][i] for i in z[scan.id])
        share = voxels / (len(z[scan.id]) * shape[0] * shape[1])
        if share < least:
            reason = f"lesions are {share:.3g} of its pseudo-volume; at least {least:g}"
            left_out.append({"id": scan.id, "split": split[scan.id], "reason": reason})
    return left_out


def _items(
    scans: Sequence[Scan], records: dict[str, dict[str, Any]], z: dict[str, range], split: dict[str, str], space: str
) -> list[dict[str, Any]]:
    start, items = Counter[str](), []
    for scan in scans:
        part, checks, of_scan = split[scan.id], records[scan.id]["checks"], z[scan.id]
        files = derivatives.names(scan, space)
        items.append(
            {
                "id": scan.id,
                "subject": scan.subject,
                "split": part,
                "healthy": scan.healthy,
                "labelled": scan.labelled,
                "flair_like": scan.flair_like,
                "rows": [start[part], start[part] + len(of_scan)],
                "z": [of_scan.start, of_scan.stop, of_scan.step],
                **{key: files[key].as_posix() if key in files else None for key in VOLUMES},
                "input_sha256": records[scan.id]["input_sha256"],
                "lesion_ml": checks["lesion_ml"],
                "lesion_ml_native": checks["lesion_ml_native"],
            }
        )
        start[part] += len(of_scan)
    return items


def _leaves(path: str) -> bool:
    pure = PurePosixPath(path)
    return pure.is_absolute() or ".." in pure.parts
