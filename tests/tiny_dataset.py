"""A small prepared dataset of discs, for tests and for benchmarks that need one in seconds."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from tiny_prior import write_tiny_prior


def _scan(rng: np.random.Generator, size: int, slices: int, healthy: bool) -> tuple[np.ndarray, ...]:
    yy, xx = np.mgrid[:size, :size] - (size - 1) / 2
    radius = np.hypot(xx, yy)
    brain = np.broadcast_to(radius < 0.4 * size, (slices, size, size))
    image = (0.45 + 0.1 * np.cos(radius / size * 20) + 0.03 * rng.standard_normal(brain.shape)) * brain
    lesion = np.zeros(brain.shape, bool)
    if not healthy:
        row, column = rng.integers(int(0.35 * size), int(0.55 * size), 2)
        lesion[1:, row : row + size // 8, column : column + size // 8] = True
        image = image + 0.3 * lesion
    return np.clip(image, 0, 1).astype(np.float32), brain.astype(np.uint8), lesion.astype(np.uint8)


def write_tiny_dataset(root: Path, size: int = 32, slices: int = 3, seed: int = 0) -> Path:
    """A prepared dataset as `preprocessing` writes it, of discs with brighter squares: 8 + 3 + 2 + 4 scans."""
    rng = np.random.default_rng(seed)
    plan = {
        "train": 8 * [True],
        "calibration": 3 * [True],
        "validation": 2 * [False],
        "test": [False, False, False, True],
    }
    items, splits = [], {}
    (root / "slices").mkdir(parents=True)
    for split, group in plan.items():
        scans = [_scan(rng, size, slices, healthy) for healthy in group]
        paths = {key: f"slices/{split}_{key}.npy" for key in ("image", "brain", "lesion")}
        for index, key in enumerate(paths):
            np.save(root / paths[key], np.concatenate([scan[index] for scan in scans]))
        splits[split] = {**paths, "rows": slices * len(scans)}
        for index, healthy in enumerate(group):
            rows, name = [index * slices, (index + 1) * slices], f"sub-{split}{index}"
            items.append(
                {"id": name, "subject": name, "split": split, "healthy": healthy, "labelled": True, "rows": rows,
                 "z": [60, 60 + 10 * slices, 10]}
            )  # fmt: skip
    manifest = {
        "format": "lesionless-dataset", "version": 1, "name": "tiny", "simulated": True, "modality": "FLAIR",
        "provenance": {}, "space": "SRI24", "image_size": size, "slices": slices,
        "spacing_mm": [240 / size, 240 / size, 1.0],
        "affine": np.diag([240 / size, 240 / size, 1.0, 1.0]).tolist(), "splits": splits, "items": items,
        "z": [60, 60 + 10 * slices, 10],
    }  # fmt: skip
    manifest["hash"] = hashlib.sha256(json.dumps(items).encode()).hexdigest()
    (root / "dataset.json").write_text(json.dumps(manifest))
    write_tiny_prior(root / "prior", size, max(10, 6 + slices))
    return root
