"""The files of one prepared scan, by BIDS derivative names."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.config import versions
from preprocessing.files import write_json, write_nifti
from preprocessing.geometry import write_transform
from preprocessing.grid import Volume
from preprocessing.scan import SUFFIXES, Scan

SPACE = "SRI24"
SPATIAL_REFERENCE = "SRI-24 (Rohlfing et al. 2010), 240 × 240 × 155 voxels of 1 mm, RAS"


def folder(scan: Scan) -> Path:
    """`sub-X` or `sub-X/ses-Y`."""
    return Path(*scan.id.split("_"))


def names(scan: Scan) -> dict[str, Path]:
    """Relative paths of what a scan may have; `lesion` only when it has a label."""
    anat = folder(scan) / "anat"
    head = f"{scan.id}_space-{SPACE}_res-low_desc-head_{SUFFIXES[scan.modality]}"
    suffix = SUFFIXES[scan.contrast]
    files = {
        "image": anat / f"{scan.id}_space-{SPACE}_desc-preproc_{suffix}.nii.gz",
        "sidecar": anat / f"{scan.id}_space-{SPACE}_desc-preproc_{suffix}.json",
        "brain": anat / f"{scan.id}_space-{SPACE}_desc-brain_mask.nii.gz",
        "head": anat / f"{head}.nii.gz",
        "head_sidecar": anat / f"{head}.json",
        "transform": folder(scan) / "xfm" / f"{scan.id}_from-orig_to-{SPACE}_mode-image_xfm.mat",
    }
    if scan.lesion is not None:
        files["lesion"] = anat / f"{scan.id}_space-{SPACE}_label-lesion_mask.nii.gz"
    return files


def write(out: Path, scan: Scan, data: Mapping[Hashable, Any]) -> dict[str, int]:
    """Write the prepared scan below `out`; the size in bytes of each file by its relative path."""
    files = names(scan)
    image = Volume.of(data["image"])
    write_nifti(out / files["image"], image.array, image.affine)
    for key in {"brain", "lesion"} & set(files):
        mask = Volume.of(data[key])
        write_nifti(out / files[key], (mask.array > 0).astype(np.uint8), mask.affine)
    write_transform(out / files["transform"], data["transform"], image.affine[:3, :3] @ _middle(image))
    write_json(out / files["sidecar"], _sidecar(scan))
    if "head" in data:
        head = Volume.of(data["head"])
        write_nifti(out / files["head"], head.array.astype(np.uint8), head.affine)
        write_json(out / files["head_sidecar"], _head_sidecar(scan))
    return {str(path): (out / path).stat().st_size for path in files.values() if (out / path).is_file()}


def write_description(out: Path, name: str, simulated: bool) -> None:
    """`dataset_description.json` of the derivative."""
    content = {
        "Name": f"{name}, prepared" + (" (SIMULATED)" if simulated else ""),
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "lesionless", "Version": versions()["lesionless"]}],
    }
    write_json(out / "dataset_description.json", content)


def _sidecar(scan: Scan) -> dict[str, Any]:
    content: dict[str, Any] = {
        "Sources": [f"bids:raw:{scan.image.name}"],
        "SpatialReference": SPATIAL_REFERENCE,
        "SkullStripped": True,
        "Units": "arbitrary, 0 to 1",
    }
    if scan.flair_like:
        content["Description"] = "FLAIR-like contrast computed from a T1 scan"
    if scan.simulated:
        content["Simulated"] = True
    return content


def _head_sidecar(scan: Scan) -> dict[str, Any]:
    return {
        "Sources": [f"bids:raw:{scan.image.name}"],
        "SpatialReference": SPATIAL_REFERENCE,
        "Resolution": "every second voxel of the atlas, for looking at",
        "SkullStripped": scan.stripped,
        "Units": "arbitrary, 0 to 255",
    } | ({"Simulated": True} if scan.simulated else {})


def _middle(image: Volume) -> np.ndarray:
    return (np.array(image.array.shape) - 1) / 2
