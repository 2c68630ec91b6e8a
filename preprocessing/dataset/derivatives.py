"""The files of one prepared scan, and of the data set, by the rules of BIDS derivatives."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.datasets import provenance
from preprocessing.io.files import write_bytes, write_json, write_nifti
from preprocessing.scan import SUFFIXES, Scan
from preprocessing.space.geometry import write_transform
from preprocessing.space.grid import Volume
from preprocessing.versions import versions

ATLASES = {"SRI24": "https://www.nitrc.org/projects/sri24"}  # Rohlfing et al. 2010; BIDS has no name for this space
TYPES = {"image": np.float32, "brain": np.uint8, "lesion": np.uint8, "head": np.uint8}
# Only subjects are BIDS; it has no rules yet for transforms, and none for slices, ledger and reports.
IGNORED = "/*\n!/sub-*\n!/dataset_description.json\n!/README.md\nxfm\n"
README = """{name}: scans prepared by lesionless, on the grid of the atlas {space} ({atlas}).

{simulated}Each image and transform has a sidecar. What was done to a scan is in `ledger/`, with SHA-256 of its input;
the SHA-256 of the configuration and the versions of the packages are in `dataset.json`.
"""
_INVERSE = (
    "ITK affine in mm, LPS, from points of the atlas to points of the scan: it resamples the scan on the atlas grid. "
    "Its matrix inverse is the other direction: SimpleITK `transform.GetInverse()`, ANTs `-t [file,1]`"
)


def folder(scan: Scan) -> Path:
    """`sub-X` or `sub-X/ses-Y`."""
    return Path(*scan.id.split("_"))


def names(scan: Scan, space: str) -> dict[str, Path]:
    """Relative paths of the images and of the transform that a scan may have; `lesion` only when it has a label."""
    anat = folder(scan) / "anat"
    files = {
        "image": anat / f"{scan.id}_space-{space}_desc-preproc_{SUFFIXES[scan.contrast]}.nii.gz",
        "brain": anat / f"{scan.id}_space-{space}_desc-brain_mask.nii.gz",
        "head": anat / f"{scan.id}_space-{space}_res-low_desc-head_{SUFFIXES[scan.modality]}.nii.gz",
        "transform": folder(scan) / "xfm" / f"{scan.id}_from-orig_to-{space}_mode-image_xfm.mat",
    }
    if scan.lesion is not None:
        files["lesion"] = anat / f"{scan.id}_space-{space}_label-lesion_mask.nii.gz"
    return files


def sidecar(path: Path) -> Path:
    """The JSON file beside an image or a transform."""
    return path.with_name(path.name.split(".")[0] + ".json")


def write(out: Path, scan: Scan, data: Mapping[Hashable, Any], space: str) -> dict[str, int]:
    """Write the prepared scan below `out`; the size in bytes of each file by its relative path."""
    files = {key: path for key, path in names(scan, space).items() if key in data}
    for key in TYPES.keys() & files.keys():
        volume = Volume.of(data[key])
        array = volume.array > 0 if key in ("brain", "lesion") else volume.array
        write_nifti(out / files[key], array.astype(TYPES[key]), volume.affine)
    image = Volume.of(data["image"])
    write_transform(out / files["transform"], data["transform"], image.affine[:3, :3] @ _middle(image))
    for key, path in files.items():
        write_json(out / sidecar(path), _sidecar(scan, key, data, space))
    written = [*files.values(), *map(sidecar, files.values())]
    return {str(path): (out / path).stat().st_size for path in written}


def write_description(out: Path, name: str, simulated: bool, space: str) -> None:
    """`dataset_description.json`, `README.md` and `.bidsignore` of the derivative of the data sets `name` (`a+b`)."""
    content = {
        "Name": f"{name}, prepared" + (" (SIMULATED)" if simulated else ""),
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "lesionless", "Version": versions()["lesionless"]}],
        **provenance(name.split("+")),
    }
    write_json(out / "dataset_description.json", content)
    note = "SIMULATED: no person was scanned. " if simulated else ""
    write_bytes(
        out / "README.md", README.format(name=name, space=space, atlas=_reference(space), simulated=note).encode()
    )
    write_bytes(out / ".bidsignore", IGNORED.encode())


def _sidecar(scan: Scan, key: str, data: Mapping[Hashable, Any], space: str) -> dict[str, Any]:
    content: dict[str, Any] = {"Sources": [_uri(scan.lesion if key == "lesion" and scan.lesion else scan.image, scan)]}
    content |= _about(scan)[key]
    if key in TYPES:
        content |= {"SpatialReference": _reference(space), "Resolution": _resolution(Volume.of(data[key]))}
    return content | ({"Simulated": True} if scan.simulated else {})


def _about(scan: Scan) -> dict[str, dict[str, Any]]:
    made = "a FLAIR-like contrast computed from T1" if scan.flair_like else scan.modality
    return {
        "image": {
            "Description": f"{made}, brain only, on the atlas grid, normalised",
            "SkullStripped": True,
            "Units": "arbitrary, 0 to 1",
        },
        "brain": {"Description": "Brain mask", "Type": "Brain"},
        "lesion": {"Description": "Lesion label of the source, 1 in lesions, on the atlas grid", "Type": "Lesion"},
        "head": {
            "Description": "The scan before the brain was cut out, for looking at",
            "SkullStripped": scan.stripped,
            "Units": "arbitrary, 0 to 255",
        },
        "transform": {"Description": _INVERSE},
    }


def _uri(path: Path, scan: Scan) -> str:
    """The name of a folder of DICOM files may be a description or a person's name; the id stands for it."""
    return f"bids:raw:{scan.id if path.is_dir() else path.name}"


def _resolution(volume: Volume) -> str:
    spacing = " × ".join(f"{value:g}" for value in np.linalg.norm(volume.affine[:3, :3], axis=0))
    return f"{spacing} mm, {' × '.join(map(str, volume.array.shape))} voxels, RAS"


def _reference(space: str) -> str:
    return ATLASES.get(space, "an atlas of the user's own")


def _middle(image: Volume) -> np.ndarray:
    return (np.array(image.array.shape) - 1) / 2
