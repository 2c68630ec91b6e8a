"""NIfTI files of anybody's scans: which belong together, and whether they may."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesionless.options import LABEL_RULES
from pipeline.errors import PipelineError
from preprocessing.io.grids import on_grid
from preprocessing.io.masks import WHOLE, read_mask
from preprocessing.io.nifti import NiftiFile, open_nifti

AXES = (2, 3)
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
    partners: dict[str, dict[str, Path]] = {}
    for role, path in (("label", labels), ("brain", brain)):
        partner = {} if path is None else find_images(path, role)
        if maps.is_file() and len(partner) == 1:
            partner = dict(zip(found, partner.values(), strict=True))
        missing = sorted(found.keys() - partner.keys())
        if path is not None and missing:
            raise PipelineError(
                f"no {role} in '{path}' for {', '.join(missing[:5])}; found: {', '.join([*partner][:5])}"
            )
        partners[role] = partner
    labelled, masked = partners["label"], partners["brain"]
    return [ScanFiles(scan, file, labelled.get(scan), masked.get(scan)) for scan, file in found.items()]


def read(files: ScanFiles, label_rule: str = "0/1") -> ScanArrays:
    """The maps and masks of a scan on the grid of its map.

    Raises:
        PreprocessingError: a file that cannot be opened, or that lies elsewhere than the map; a brain mask of other
            values than whole numbers or probabilities.
        PipelineError: see `binarise`.
    """
    image = open_nifti(files.map, AXES)
    shape = image.array.shape
    lesion, support = np.zeros(shape, bool), np.ones(shape, bool)
    if files.label is not None:
        lesion = binarise(_beside(files.label, files.map, image), label_rule, files.label)
    if files.brain is not None:
        support = read_mask(_beside(files.brain, files.map, image), files.brain)
    spacing = np.linalg.norm(image.affine[:3, :3], axis=0)[: len(shape)]
    return ScanArrays(image.array, lesion, support, tuple(float(size) for size in spacing))


def _beside(path: Path, reference: Path, image: NiftiFile) -> NDArray[np.float32]:
    other = open_nifti(path, AXES)
    return on_grid(path, other.array, other.affine, reference, image.array.shape, image.affine)


def binarise(label: NDArray, rule: str, path: Path) -> NDArray[np.bool_]:
    """Lesion of a label, whose whole numbers count within 0.001.

    Args:
        label: values of the file.
        rule: `0/1` (no other value may occur), `positive` (whole numbers above 0, probabilities from 0.5 on), or label
            values such as `1,4`.
        path: of the file, for messages.

    Raises:
        PipelineError: an unknown rule, or values that the rule does not name.
        PreprocessingError: fractions that are no probabilities.
    """
    if rule == "positive":
        return read_mask(label, path)
    try:
        chosen = [1.0] if rule == "0/1" else [float(value) for value in rule.split(",")]
    except ValueError:
        raise PipelineError(f"unknown label rule '{rule}'; choose {LABEL_RULES}") from None
    whole = np.rint(label)
    with np.errstate(invalid="ignore"):
        strange = ~(np.abs(label - whole) <= WHOLE)
    if rule == "0/1":
        strange |= (whole != 0) & (whole != 1)
    if strange.any():
        values = ", ".join(str(value) for value in np.unique(label[strange])[:5])
        raise PipelineError(
            f"{path} has values other than {'0 and 1' if rule == '0/1' else 'whole numbers'}: {values}; state a rule "
            f"(--label-rule): {LABEL_RULES}"
        )
    return np.isin(whole, chosen)
