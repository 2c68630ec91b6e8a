"""Volumes of a test scan as pictures: which scans, which slice, which way up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from pipeline.data import SliceDataset, load_manifest
from pipeline.errors import PipelineError
from pipeline.report.results import Run

KINDS = ("image", "lesion", "support")


@dataclass(frozen=True)
class View:
    """One axial slice of a scan as pictures [rows, columns]: anterior on top, the patient's left on the left.

    `lesion_ml` is the volume of the lesion in the whole pseudo-volume, in mL.
    """

    scan: str
    z: int
    image: np.ndarray
    lesion: np.ndarray
    support: np.ndarray
    lesion_ml: float


def upright(volume: np.ndarray, z: int) -> np.ndarray:
    """Slice z of a volume [x, y, z] as a picture."""
    return np.rot90(volume[:, :, z])


def anomaly_map(run: Run, scan: str) -> np.ndarray | None:
    """The anomaly map of a scan, float32 [H, W, N], or `None` where the run kept none."""
    path = run.folder / "maps" / f"{scan}_anomaly.nii.gz"
    return _read(path)[0] if path.is_file() else None


def view(runs: Path, scan: str, dataset: Path | None = None) -> View:
    """The slice with the largest lesion area, or, without a lesion, with the largest support.

    Args:
        runs: results folder; its `reference/` holds image, lesion and support of the test scans.
        scan: id of a test scan.
        dataset: prepared dataset to read image, lesion and brain from instead.

    Raises:
        PipelineError: the scan is not there; the message lists the choices.
    """
    volumes, voxel_ml = kept_volumes(runs, scan) if dataset is None else _prepared(dataset, scan)
    lesion, support = volumes["lesion"] > 0, volumes["support"] > 0
    region = lesion if lesion.any() else support
    z = int(region.sum(axis=(0, 1)).argmax())
    pictures = upright(volumes["image"], z), upright(lesion, z), upright(support, z)
    return View(scan, z, *pictures, lesion_ml=float(lesion.sum()) * voxel_ml)


def lesion_scans(runs: Path, dataset: Path | None = None, count: int = 6) -> list[str]:
    """Test scans with a visible lesion, spread evenly over the lesion volumes, largest first: no choice by result.

    Raises:
        PipelineError: no test scan has a lesion.
    """
    volumes = {scan: view(runs, scan, dataset).lesion_ml for scan in scan_ids(runs, dataset)}
    ordered = sorted((scan for scan in volumes if volumes[scan] > 0), key=lambda scan: (-volumes[scan], scan))
    if not ordered:
        raise PipelineError(f"no test scan with a lesion in '{dataset or runs / 'reference'}'")
    picks = np.linspace(0, len(ordered) - 1, min(count, len(ordered))).round().astype(int)
    return [ordered[i] for i in picks]


def scan_ids(runs: Path, dataset: Path | None = None) -> list[str]:
    """Ids of the test scans for which there is an image."""
    if dataset is not None:
        return [item["id"] for item in SliceDataset(dataset, "test").items]
    return kept_scans(runs)


def box_of(support: np.ndarray, margin: int = 2) -> tuple[slice, slice]:
    """Rows and columns, in an upright picture, around the support [x, y, z] of a scan; the frame without one."""
    flat = np.rot90(support.any(axis=2))
    sides = [np.flatnonzero(flat.any(axis=axis)) for axis in (1, 0)]
    ends = [(side[0], side[-1] + 1) if len(side) else (0, size) for side, size in zip(sides, flat.shape, strict=True)]
    rows, columns = (slice(max(int(low) - margin, 0), int(high) + margin) for low, high in ends)
    return rows, columns


def field(views: Sequence[View], margin: int = 2) -> tuple[slice, slice]:
    """The smallest square, in pixels and within the frame where it can be, that holds the support of all views."""
    rows, columns = np.nonzero(np.logical_or.reduce([v.support for v in views]))
    height, width = views[0].image.shape
    if not len(rows):
        return slice(0, height), slice(0, width)
    side = int(max(np.ptp(rows), np.ptp(columns))) + 1 + 2 * margin
    return _centred(rows, side, height), _centred(columns, side, width)


def _centred(indices: np.ndarray, side: int, size: int) -> slice:
    start = int(np.clip((indices.min() + indices.max() + 1 - side) // 2, 0, max(size - side, 0)))
    return slice(start, start + side)


def _read(path: Path) -> tuple[np.ndarray, float]:
    """Array and voxel volume in mL of a NIfTI file."""
    volume = nib.Nifti1Image.from_filename(path)
    return np.asarray(volume.dataobj, dtype=np.float32), float(np.prod(volume.header.get_zooms()[:3])) / 1000


def kept_scans(runs: Path) -> list[str]:
    """Ids of the test scans whose image is in RUNS/reference."""
    return sorted(path.name.removesuffix("_image.nii.gz") for path in (runs / "reference").glob("*_image.nii.gz"))


def kept_volumes(runs: Path, scan: str) -> tuple[dict[str, np.ndarray], float]:
    """`image`, `lesion` and `support` of a test scan [x, y, z] in RUNS/reference, and the volume of a voxel in mL.

    Raises:
        PipelineError: the scan is not there; the message lists the choices.
    """
    paths = {kind: runs / "reference" / f"{scan}_{kind}.nii.gz" for kind in KINDS}
    if not paths["image"].is_file():
        raise PipelineError(f"no test scan '{scan}' in '{runs / 'reference'}'; available: {_listed(scan_ids(runs))}")
    image, voxel_ml = _read(paths["image"])
    empty = np.zeros_like(image)
    volumes = {kind: _read(path)[0] if path.is_file() else empty for kind, path in paths.items()}
    return volumes, voxel_ml


def _prepared(dataset: Path, scan: str) -> tuple[dict[str, np.ndarray], float]:
    slices = SliceDataset(dataset, "test")
    items = {item["id"]: item for item in slices.items}
    if scan not in items:
        raise PipelineError(f"no test scan '{scan}' in '{dataset}'; available: {_listed(list(items))}")
    start, stop = items[scan]["rows"]
    kinds = {"image": "image", "lesion": "lesion", "support": "brain"}
    volumes = {kind: np.moveaxis(slices.arrays[source][start:stop], 0, -1) for kind, source in kinds.items()}
    return volumes, float(np.prod(load_manifest(dataset)["spacing_mm"])) / 1000


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "none"
