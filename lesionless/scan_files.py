"""NIfTI files of anybody's scans: which belong together, and whether they may."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from lesionless.options import LABEL_RULES
from pipeline.errors import PipelineError

SUFFIXES = {
    "map": ("_anomaly", "_anomaly_map", "_heatmap", "_score", "_scores", "_map", "_pred"),
    "label": ("_lesion", "_label", "_label-lesion_mask", "_seg", "_gt", "_mask"),
    "brain": ("_support", "_brain", "_brain_mask", "_desc-brain_mask", "_brainmask", "_mask"),
}
ENTITIES = re.compile(r"(_(space|res|den|desc|label)-[^_]+)+$")


@dataclass(frozen=True)
class ScanFiles:
    """The files of one scan; without a label it is a normal, without a brain mask the whole frame counts."""

    scan: str
    map: Path
    label: Path | None
    brain: Path | None


@dataclass(frozen=True)
class ScanArrays:
    """Scores (float32), lesion and support (bool) of one grid, its voxels in mm."""

    scores: NDArray[np.float32]
    lesion: NDArray[np.bool_]
    support: NDArray[np.bool_]
    spacing: tuple[float, ...]

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in mL."""
        return float(np.prod(self.spacing)) / 1000


def find_images(path: Path, role: str) -> dict[str, Path]:
    """Files of a role (`map`, `label`, `brain`) by scan id, from a folder and those below it, or a single file.

    The scan id is the name without `.nii` or `.nii.gz`, without the role's suffix (`SUFFIXES`) and without trailing
    BIDS entities such as `_space-SRI24`. Where names of a folder have the role's suffix only those count, else all do.
    Raises PipelineError for a missing path, an empty folder and an id that comes twice.
    """
    if not path.exists():
        raise PipelineError(f"{role} '{path}' does not exist")
    files = [path] if path.is_file() else sorted(path.rglob("*.nii")) + sorted(path.rglob("*.nii.gz"))
    suffixed = [file for file in files if _stem(file).endswith(SUFFIXES[role])]
    found: dict[str, Path] = {}
    for file in suffixed or files:
        scan = _scan_id(file, role)
        if scan in found:
            raise PipelineError(f"{role} of scan '{scan}' comes twice: {found[scan]} and {file}")
        found[scan] = file
    if not found:
        raise PipelineError(f"{role} folder '{path}' has no .nii or .nii.gz file")
    return found


def _stem(file: Path) -> str:
    return re.sub(r"\.nii(\.gz)?$", "", file.name)


def _scan_id(file: Path, role: str) -> str:
    stem = _stem(file)
    suffix = max((s for s in SUFFIXES[role] if stem.endswith(s) and stem != s), key=len, default="")
    return ENTITIES.sub("", stem.removesuffix(suffix))


def pair(maps: Path, labels: Path | None, brain: Path | None) -> list[ScanFiles]:
    """Maps with their labels and brain masks, by scan id; raises PipelineError for a map that lacks one."""
    found = find_images(maps, "map")
    partners: list[dict[str, Path]] = []
    for role, path in (("label", labels), ("brain", brain)):
        partner = {} if path is None else find_images(path, role)
        if maps.is_file() and len(partner) == 1:
            partner = dict(zip(found, partner.values(), strict=True))
        missing = sorted(found.keys() - partner.keys())
        if path is not None and missing:
            raise PipelineError(
                f"no {role} in '{path}' for {', '.join(missing[:5])}; found: {', '.join([*partner][:5])}"
            )
        partners.append(partner)
    return [ScanFiles(scan, file, partners[0].get(scan), partners[1].get(scan)) for scan, file in found.items()]


def read(files: ScanFiles, label_rule: str = "0/1") -> ScanArrays:
    """Read the files of a scan; raises PipelineError for another shape or affine than the map's, and as `binarise`."""
    image = _open(files.map)
    scores = np.asarray(image.dataobj, np.float32)
    label, brain = (None if path is None else _beside(path, image, files.scan) for path in (files.label, files.brain))
    lesion = np.zeros(scores.shape, bool) if label is None else binarise(label, label_rule, files.scan)
    support = np.ones(scores.shape, bool) if brain is None else brain != 0
    spacing = nib.affines.voxel_sizes(image.affine)[: scores.ndim]
    return ScanArrays(scores, lesion, support, tuple(float(size) for size in spacing))


def _open(path: Path) -> nib.Nifti1Image:
    try:
        image = cast(nib.Nifti1Image, nib.load(path))
        np.asarray(image.dataobj[..., :1])
    except (ImageFileError, OSError, EOFError, ValueError) as error:
        raise PipelineError(f"{path} cannot be read as NIfTI: {' '.join(str(error).split())}") from error
    if len(image.shape) not in (2, 3):
        raise PipelineError(f"{path} has shape {image.shape}; give one volume of two or three axes")
    return image


def _beside(path: Path, image: nib.Nifti1Image, scan: str) -> NDArray:
    other = _open(path)
    if other.shape != image.shape:
        raise PipelineError(f"scan '{scan}': {path.name} has shape {other.shape}, the map {image.shape}")
    if not np.allclose(other.affine, image.affine, atol=1e-3):
        raise PipelineError(f"scan '{scan}': {path.name} has another affine than the map; resample one onto the other")
    return np.asarray(other.dataobj)


def binarise(label: NDArray, rule: str, scan: str) -> NDArray[np.bool_]:
    """Lesion of a label: `0/1` (no other value may occur), `positive` (> 0), or label values such as `1,4`."""
    if rule == "positive":
        return label > 0
    if rule == "0/1":
        values = np.unique(label[(label != 0) & (label != 1)])
        if len(values):
            raise PipelineError(
                f"label of scan '{scan}' has values other than 0 and 1: {', '.join(f'{v:g}' for v in values[:5])}; "
                f"state a rule (--label-rule): {LABEL_RULES}"
            )
        return label == 1
    try:
        chosen = [float(value) for value in rule.split(",")]
    except ValueError:
        raise PipelineError(f"unknown label rule '{rule}'; choose {LABEL_RULES}") from None
    return np.isin(label, chosen)
