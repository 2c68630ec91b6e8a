"""A prepared data set from a folder of slices: no registration, no skull stripping, the scale of `base`."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.errors import PreprocessingError
from preprocessing.io.files import replaced, sha256_file, sha256_json, write_json
from preprocessing.scan import SPLITS, bids_id
from preprocessing.slices.layouts import Layout, Slice, find_slices
from preprocessing.slices.reading import read_slice, squared, tissue

KINDS = {"image": np.float32, "brain": np.uint8, "lesion": np.uint8, "lesion_share": np.float32}
FEWEST = 0.01  # of the plane: smallest brain in a slice
FLOOR, MEDIAN = 1e-3, 0.4  # of the brain, as in the configuration `base`
SHARES = {"calibration": 0.1, "validation": 0.15, "test": 0.25}  # of the patients, where no folder states a split

Rows = dict[str, np.ndarray]


def prepare_slices(
    root: Path, out: Path, name: str, layout: Layout, image_size: int = 96, pixel_mm: float = 1.0, seed: int = 0
) -> Path:
    """Write `dataset.json` and its arrays from the images below `root`.

    A patient's slices are one scan. `calibration` has the slices without a lesion alone, of patients too. The space is
    `none`: nothing is registered, so methods do not know the place of a slice. The background has to be dark.

    Args:
        root: folder of the images.
        out: folder of the prepared data set.
        name: of the data set.
        layout: its file names.
        image_size: side of the prepared slices in pixels.
        pixel_mm: size of a pixel of the files in mm.
        seed: of the split, where no folder states one.

    Raises:
        PreprocessingError: no image, an image that cannot be read, or slices of a patient of several sizes.
    """
    groups: dict[tuple[str, str], list[Slice]] = defaultdict(list)
    found = find_slices(root, layout)
    order = sorted({one.patient for one in found}, key=lambda patient: _order(seed, patient))
    for one in found:
        groups[one.split or _split(order, one.patient), one.patient].append(one)
    items: list[dict[str, Any]] = []
    splits: dict[str, Any] = {}
    spacing = 0.0
    for split in (part for part in SPLITS if any(key[0] == part for key in groups)):
        arrays: list[Rows] = []
        for patient in sorted(patient for part, patient in groups if part == split):
            members = groups[split, patient]
            rows, side = _patient(members, layout, image_size, split == "calibration")
            spacing = spacing or pixel_mm * side / image_size
            if len(rows["image"]):
                start = sum(len(part["image"]) for part in arrays)
                items.append(_item(patient, split, members, rows, start))
                arrays.append(rows)
        if arrays:
            splits[split] = _write(out, split, arrays)
    return _manifest(out, name, items, splits, image_size, spacing)


def _order(seed: int, patient: str) -> str:
    return hashlib.sha256(f"{seed}:{patient}".encode()).hexdigest()


def _split(order: Sequence[str], patient: str) -> str:
    place, edge = order.index(patient), 0
    for split, share in SHARES.items():
        edge += max(1, round(share * len(order)))
        if place < edge:
            return split
    return "train"


def _patient(members: Sequence[Slice], layout: Layout, size: int, normal: bool) -> tuple[Rows, int]:
    """The rows of a patient, and the longer side of the files' images in pixels."""
    images = [read_slice(one.image, layout.channel) for one in members]
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise PreprocessingError(f"{members[0].image}: the slices of this patient have several sizes: {sorted(shapes)}")
    volume = np.stack(images)
    masks = [np.zeros(volume.shape[1:]) if one.lesion is None else read_slice(one.lesion) for one in members]
    for one, mask in zip(members, masks, strict=True):
        if mask.shape != volume.shape[1:]:
            raise PreprocessingError(f"{one.lesion}: {mask.shape} pixels, its image has {volume.shape[1:]}")
    lesion, brain = np.stack(masks) > 0, tissue(volume)
    share = lesion.sum((1, 2)) / np.maximum(brain.sum((1, 2)), 1)
    kept = (brain.mean((1, 2)) >= FEWEST) & ((share == 0) | (not normal))
    planes = [(volume[i], brain[i], lesion[i]) for i in np.flatnonzero(kept)]
    inside = np.stack([_turned(plane[1], size, 1) >= 0.5 for plane in planes]) if planes else np.zeros((0, size, size))
    image = np.stack([_turned(plane[0], size, 1) for plane in planes]) if planes else np.zeros((0, size, size))
    marks = np.stack([_turned(plane[2], size, 1) >= 0.5 for plane in planes]) if planes else np.zeros((0, size, size))
    rows = {"image": _scaled(image, inside > 0), "brain": inside, "lesion": marks, "lesion_share": share[kept]}
    return {key: value.astype(KINDS[key]) for key, value in rows.items()}, max(volume.shape[1:])


def _turned(plane: np.ndarray, size: int, order: int) -> np.ndarray:
    """From rows of a picture to x and y of a prepared slice: a picture shows `np.rot90(row)`."""
    return np.rot90(squared(plane.astype(np.float32), size, order), -1)


def _scaled(image: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """In the brain percentile 0.5 → 0 and median → 0.4, cut to [0.001, 1]; 0 outside."""
    if not brain.any():
        return image
    low, median = np.percentile(image[brain], [0.5, 50])
    return np.clip((image - low) * MEDIAN / max(median - low, 1e-6), FLOOR, 1) * brain


def _item(patient: str, split: str, members: Sequence[Slice], rows: Rows, start: int) -> dict[str, Any]:
    files = [path for one in members for path in (one.image, one.lesion) if path is not None]
    return {
        "id": bids_id(patient, split),
        "subject": bids_id(patient),
        "split": split,
        "healthy": not rows["lesion_share"].any(),
        "labelled": True,
        "rows": [start, start + len(rows["image"])],
        "input_sha256": sha256_json([sha256_file(path) for path in files]),
    }


def _write(out: Path, split: str, arrays: Sequence[Rows]) -> dict[str, Any]:
    paths = {key: f"slices/{split}_{key}.npy" for key in KINDS}
    for key, path in paths.items():
        with replaced(out / path) as temporary, temporary.open("wb") as stream:
            np.save(stream, np.concatenate([rows[key] for rows in arrays]))
    digests = {key: sha256_file(out / path) for key, path in paths.items()}
    return {**paths, "rows": sum(len(rows["image"]) for rows in arrays), "sha256": digests}


def _manifest(
    out: Path, name: str, items: list[dict[str, Any]], splits: dict[str, Any], size: int, spacing: float
) -> Path:
    of_subject = defaultdict(set)
    for item in items:
        of_subject[item["subject"]].add(item["split"])
    content = {
        "format": "lesionless-dataset",
        "version": 1,
        "name": name,
        "simulated": False,
        "modality": "FLAIR",
        "space": "none",
        "image_size": size,
        "slices": "all",
        "min_lesion_share": 0.0,
        "spacing_mm": [spacing, spacing, 1.0],
        "affine": np.diag([spacing, spacing, 1.0, 1.0]).tolist(),
        "splits": splits,
        "items": items,
        "left_out": [],
        "provenance": {"in_several_splits": sorted(name for name, parts in of_subject.items() if len(parts) > 1)},
        "hash": sha256_json([items, splits, size, spacing]),
    }
    write_json(out / "dataset.json", content)
    return out / "dataset.json"
