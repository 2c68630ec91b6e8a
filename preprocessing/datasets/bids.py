"""Raw BIDS data sets: `sub-*/[ses-*/]anat/*_{FLAIR,T1w,T2w,ct}.nii[.gz]` and `participants.tsv`.

* A participant is healthy by the column `healthy` (yes, no), else `group`, else `diagnosis` (healthy, control, …).
  Where it says nothing, the scan counts as unlabelled.
* Lesion masks are derivatives on the grid of the raw image, `derivatives/*/sub-*/[ses-*/]anat/*_label-lesion_mask.nii`
  without `space` (or with `space-orig`). A scan of a participant who is not healthy and has none counts as unlabelled.
* `SkullStripped` and `Simulated` in the sidecar of an image are believed.
* Of several images of one modality in a session (`acq`, `run`, …) the one with the fewest entities, then the first by
  name, is read. Images after contrast agent (`ce`) are not.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from preprocessing.datasets._files import matches
from preprocessing.errors import PreprocessingError
from preprocessing.scan import SUFFIXES, Scan

OTHER = ("*.json", "*.tsv", "*.bval", "*.bvec", "*/derivatives/*", "*/sourcedata/*", "*/code/*", "*/phenotype/*",
         "*/dwi/*", "*/func/*", "*/fmap/*", "*/perf/*", "*/CHANGES")  # fmt: skip
_ID = r"(?P<id>(?P<subject>sub-[a-zA-Z0-9]+)(?:_ses-[a-zA-Z0-9]+)?)(?P<entities>(?:_[a-z]+-[a-zA-Z0-9]+)*)"
_IMAGE = rf"{_ID}_(?P<suffix>{'|'.join(SUFFIXES.values())})\.nii(?:\.gz)?"
_MODALITIES = {suffix: modality for modality, suffix in SUFFIXES.items()}
_HEALTHY = {
    "healthy": ("yes", "true", "1"),
    "group": ("healthy", "control", "controls", "hc", "normal"),
    "diagnosis": ("healthy", "control", "controls", "hc", "normal", "none"),
}
_FACTS = {"stripped": "SkullStripped", "simulated": "Simulated"}
_UNKNOWN = ("", "n/a")


def find_scans(root: Path) -> list[Scan]:
    """All images of the four kinds below the subject folders of `root`.

    Raises:
        PreprocessingError: no participants file or column, two lesion masks of a scan, one of a healthy participant,
            or a sidecar that is not JSON.
    """
    healthy, lesions = _participants(root / "participants.tsv"), _lesions(root)
    scans = []
    for (name, suffix), (subject, path) in _images(root).items():
        lesion, normal = lesions.get(name), healthy.get(subject, False)
        if normal and lesion is not None:
            raise PreprocessingError(f"{lesion}: a lesion mask of {subject}, who is healthy by participants.tsv")
        facts: Any = _sidecar(path)
        labelled = normal or lesion is not None
        scans.append(Scan(name, subject, _MODALITIES[suffix], path, lesion, healthy=normal, labelled=labelled, **facts))
    return scans


def find_images(root: Path) -> list[Scan]:
    """The same images, whoever they are of: `participants.tsv` is not needed, and each scan counts as unlabelled.

    Raises:
        PreprocessingError: two lesion masks of a scan, or a sidecar that is not JSON.
    """
    lesions = _lesions(root)
    scans = []
    for (name, suffix), (subject, path) in _images(root).items():
        facts: Any = _sidecar(path)
        scans.append(Scan(name, subject, _MODALITIES[suffix], path, lesions.get(name), labelled=False, **facts))
    return sorted(scans, key=lambda scan: scan.id)


def _images(root: Path) -> dict[tuple[str, str], tuple[str, Path]]:
    found = []
    for path, match in matches(root, _IMAGE):
        if path.relative_to(root).parts[0] == match["subject"] and "_ce-" not in match["entities"]:
            found.append((match["entities"].count("_"), path, match))
    images: dict[tuple[str, str], tuple[str, Path]] = {}
    for _, path, match in sorted(found, key=lambda item: item[:2]):
        images.setdefault((match["id"], match["suffix"]), (match["subject"], path))
    return images


def _sidecar(image: Path) -> dict[str, bool]:
    path = image.with_name(image.name.split(".")[0] + ".json")
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text())
        return {field: bool(content.get(key, False)) for field, key in _FACTS.items()}
    except (ValueError, AttributeError) as error:
        raise PreprocessingError(f"{path}: not a sidecar; it must be a JSON object") from error


def _lesions(root: Path) -> dict[str, Path]:
    lesions: dict[str, Path] = {}
    for path, match in matches(root, rf"{_ID}_mask\.nii(?:\.gz)?"):
        if _predicted(path, root):
            continue
        entities = dict(entity.split("-", 1) for entity in match["entities"].split("_") if entity)
        if entities.get("label") != "lesion" or entities.get("space", "orig") != "orig":
            continue
        if (other := lesions.setdefault(match["id"], path)) != path:
            raise PreprocessingError(f"{match['id']}: two lesion masks, {other} and {path}; keep one")
    return lesions


def _predicted(mask: Path, root: Path) -> bool:
    """Whether a mask lies in a derivative that this package predicted: that is no label."""
    folders = [folder for folder in mask.parents if folder.is_relative_to(root) and folder != root]
    for description in (folder / "dataset_description.json" for folder in folders):
        if description.is_file() and '"lesionless predict"' in description.read_text("utf-8", errors="replace"):
            return True
    return False


def _participants(table: Path) -> dict[str, bool]:
    if not table.is_file():
        raise PreprocessingError(f"{table}: no such file; it says who is healthy, in one of {', '.join(_HEALTHY)}")
    with table.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream, delimiter="\t")
        column = next((name for name in _HEALTHY if name in (reader.fieldnames or [])), None)
        if column is None:
            raise PreprocessingError(f"{table}: no column that says who is healthy; one of {', '.join(_HEALTHY)}")
        values = {row.get("participant_id") or "": (row[column] or "").strip().lower() for row in reader}
    return {subject: value in _HEALTHY[column] for subject, value in values.items() if value not in _UNKNOWN}
