"""A small, plausible results folder in the layout that the pipeline writes; its images are drawn, not measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import torch
from scipy.ndimage import gaussian_filter

from pipeline.metrics import ScoreHistogram, save_thresholds, scan_table, summarise
from pipeline.metrics.threshold_rules import operating_point, percentile

SPACING_MM = (2.5, 2.5, 3.0)
VOXEL_ML = float(np.prod(SPACING_MM)) / 1000

# method: (title, floor, how well its map sees the lesion, seeds)
METHODS = {
    "amcons": ("AMCons", False, 2.2, (0, 1)),
    "vae": ("VAE", False, 1.2, (0,)),
    "intensity": ("Intensity", True, 1.4, (0,)),
    "histeq": ("Equalised histogram", True, 1.0, (0,)),
    "untrained_amcons": ("Untrained AMCons", True, 0.6, (0,)),
}
CARD: dict[str, Any] = {
    "card_dataset": "phantom",
    "card_dataset_hash": "12e4567890abcdef",
    "card_split_hash": "0000012345",
    "card_simulated": True,
    "card_modality": "FLAIR",
    "card_slices": 4,
    "card_image_size": 32,
    "card_support": "brain eroded 3.2 mm",
    "card_min_lesion_share": 0.0,
    "card_postprocessing": "none",
    "card_preset": "demo",
    "card_versions": "lesionless 0.1.0 monai 1.6.1 torch 2.13.0",
}


@dataclass
class Scan:
    """A drawn test scan; arrays are [size, size, slices]."""

    name: str
    image: np.ndarray
    brain: np.ndarray
    lesion: np.ndarray


def draw_scan(name: str, radius: float, size: int, slices: int, rng: np.random.Generator) -> Scan:
    """An ellipse with bright cortex, dark ventricles and, for radius > 0, an irregular bright lesion."""
    x, y = np.meshgrid(*[np.linspace(-1, 1, size)] * 2, indexing="ij")
    depth = 1 - np.hypot(x / 0.72, y / 0.88)
    brain = np.repeat((depth > 0)[..., None], slices, axis=2)
    folds = gaussian_filter(rng.normal(size=(size, size, slices)), (size / 32, size / 32, 1))
    cortex = (depth[..., None] + folds / folds.std() * 0.06) < 0.22
    ventricles = (np.hypot((np.abs(x) - 0.13) / 0.08, (y + 0.02) / 0.3) < 1)[..., None]
    image = np.where(cortex, 0.56, 0.45) * np.where(ventricles, 0.25, 1)
    centre = rng.choice([-0.33, 0.33]), rng.uniform(-0.35, 0.4)
    noise = gaussian_filter(rng.normal(size=brain.shape), (size / 16, size / 16, 1))
    blob = np.hypot(x - centre[0], y - centre[1])[..., None] + 0.09 * noise / noise.std()
    lesion = (blob < radius) & brain if radius else np.zeros_like(brain)
    image = gaussian_filter(image + 0.25 * lesion, (size / 130, size / 130, 0)) + rng.normal(0, 0.02, brain.shape)
    return Scan(name, np.where(brain, image, 0).clip(0, 1).astype(np.float32), brain, lesion)


def draw_map(scan: Scan, contrast: float, rng: np.random.Generator) -> np.ndarray:
    """A smooth map that rises at the lesion by `contrast` standard deviations of its normal part."""
    sigma = scan.image.shape[0] / 40
    noise = gaussian_filter(rng.normal(size=scan.image.shape), (sigma, sigma, 0.5))
    lesion = gaussian_filter(scan.lesion.astype(float), (sigma, sigma, 0.5))
    return (0.1 + 0.02 * (noise / noise.std() + 1.5 * contrast * lesion)).astype(np.float32)


def histogram(scans: list[Scan], maps: list[np.ndarray]) -> ScoreHistogram:
    """Score histogram of maps over the brains of their scans."""
    counted = ScoreHistogram(support=CARD["card_support"])
    for scan, scores in zip(scans, maps, strict=True):
        tensors = [torch.from_numpy(np.moveaxis(a, -1, 0)[:, None].copy()) for a in (scores, scan.lesion, scan.brain)]
        counted.update(*tensors, [scan.name] * scores.shape[2], voxel_ml=VOXEL_ML)
    return counted


def write_results(runs: Path, size: int = 32, slices: int = 4, lesions: int = 5, healthy: int = 2) -> Path:
    """Write RUNS with all METHODS, a reference folder, the table of all runs and the card of simulated data."""
    rng = np.random.default_rng(0)
    radii = np.linspace(0.34, 0.1, lesions)
    test = [draw_scan(f"sub-lesion{i + 1:02d}", r, size, slices, rng) for i, r in enumerate(radii)]
    test += [draw_scan(f"sub-healthy{i + 1:02d}", 0, size, slices, rng) for i in range(healthy)]
    normals = [draw_scan(f"sub-normal{i + 1:02d}", 0, size, slices, rng) for i in range(4)]
    validation = [draw_scan(f"sub-labelled{i + 1:02d}", r, size, slices, rng) for i, r in enumerate((0.3, 0.2))]
    for scan in test:
        for kind, volume in {"image": scan.image, "lesion": scan.lesion, "support": scan.brain}.items():
            _write(runs / "reference" / f"{scan.name}_{kind}.nii.gz", volume)
    for method, (_, _, contrast, seeds) in METHODS.items():
        for seed in seeds:
            maps = {
                name: [draw_map(scan, contrast * (1 - 0.1 * seed), rng) for scan in scans]
                for name, scans in {"test": test, "calibration": normals, "validation": validation}.items()
            }
            parts = {"test": test, "calibration": normals, "validation": validation}
            _write_run(runs / method / f"seed-{seed}", method, seed, parts, maps)
    _write_comparison(runs)
    return runs


def _write_run(
    folder: Path, method: str, seed: int, parts: dict[str, list[Scan]], maps: dict[str, list[np.ndarray]]
) -> None:
    counted = {name: histogram(scans, maps[name]) for name, scans in parts.items()}
    for scan, scores in zip(parts["test"], maps["test"], strict=True):
        _write(folder / "maps" / f"{scan.name}_anomaly.nii.gz", scores)
    for name, scored in counted.items():
        scored.save(folder / f"{name}.npz")
    rules = [operating_point(counted["validation"]), *(percentile(counted["calibration"], q) for q in (90, 95, 98))]
    save_thresholds(folder / "thresholds.json", rules)
    pd.DataFrame(scan_table(counted["test"], rules)).to_csv(folder / "scans.csv", index=False)
    title, floor, *_ = METHODS[method]
    row = {"method": method, "title": title, "floor": floor, "seed": seed}
    row |= summarise(counted["test"], rules, replicates=50) | CARD
    pd.DataFrame([row]).to_csv(folder / "metrics.csv", index=False)


def _write_comparison(runs: Path) -> None:
    """RUNS/metrics.csv: all rows, and for the learned methods the difference to the best floor."""
    files = sorted(runs.glob("*/seed-*/metrics.csv"))
    rows = pd.concat([pd.read_csv(file) for file in files], ignore_index=True)
    bar = rows.loc[rows["floor"], "auprc"].max()
    difference = (rows["auprc"] - bar).where(~rows["floor"])
    columns = {"ap_minus_floor": difference, "ap_minus_floor_ci_low": difference - 0.1}
    rows.assign(**columns, ap_minus_floor_ci_high=difference + 0.1).to_csv(runs / "metrics.csv", index=False)


def _write(path: Path, volume: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    dtype = np.float32 if volume.dtype == np.float32 else np.uint8
    nib.Nifti1Image(volume.astype(dtype), np.diag([*SPACING_MM, 1.0])).to_filename(path)
