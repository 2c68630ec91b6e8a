"""Raw BIDS data sets: `sub-*/[ses-*/]anat/*_{FLAIR,T1w,T2w,ct}.nii[.gz]` and `participants.tsv`.

* A participant is healthy by the column `healthy` (yes, no), else `group`, else `diagnosis` (healthy, control, …).
  Where it says nothing, the scan counts as unlabelled.
* Lesion masks are derivatives on the grid of the raw image, `derivatives/*/sub-*/[ses-*/]anat/*_label-lesion_mask.nii`
  without `space` (or with `space-orig`). A scan of a participant who is not healthy and has none counts as unlabelled.
* A mask belongs to an image that has all its entities (`acq`, `run`, …) with the same values; the one with the most of
  them is taken, masks of no image are listed. An `acq` that names a modality is one of the modality.
* `SkullStripped` and `Simulated` in the sidecar of an image are believed.
* Of several images of one modality in a session (`acq`, `run`, …) the one with the fewest entities, then the first by
  name, is read. Images after contrast agent (`ce`) and phase images (`part`) are not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preprocessing.datasets._files import matches
from preprocessing.errors import PreprocessingError
from preprocessing.io.text import read_table, read_text
from preprocessing.scan import SUFFIXES, Scan

OTHER = ("*.json", "*.tsv", "*.bval", "*.bvec", "*/derivatives/*", "*/sourcedata/*", "*/code/*", "*/phenotype/*",
         "*/dwi/*", "*/func/*", "*/fmap/*", "*/perf/*", "*/CHANGES")  # fmt: skip
_KINDS = "|".join(SUFFIXES.values())
_ENTITIES = r"(?:_[a-z]+-[a-zA-Z0-9]+)*"
_ID = rf"(?P<id>(?P<subject>sub-[a-zA-Z0-9]+)(?:_ses-[a-zA-Z0-9]+)?)(?P<entities>{_ENTITIES})"
_IMAGE = rf"{_ID}_(?P<suffix>{_KINDS})\.nii(?:\.gz)?"
_MASK = rf"{_ID}(?:_(?P<suffix>{_KINDS})(?P<more>{_ENTITIES}))?_(?:mask|roi)\.nii(?:\.gz)?"
_MODALITIES = {suffix: modality for modality, suffix in SUFFIXES.items()}
_OF_A_MASK = ("label", "space", "desc", "res", "den")
_HEALTHY = {
    "healthy": ("yes", "true", "1"),
    "group": ("healthy", "control", "hc", "normal", "healthycontrol", "healthyvolunteer", "healthysubject",
              "normalcontrol", "volunteer", "hv", "nc", "cn"),
}  # fmt: skip
_HEALTHY["diagnosis"] = (*_HEALTHY["group"], "none")
_FACTS = {"stripped": "SkullStripped", "simulated": "Simulated"}
_UNKNOWN = ("", "n/a")


@dataclass(frozen=True)
class _File:
    """An image or a mask with the entities of its name; the suffix of a mask may be None."""

    path: Path
    id: str
    subject: str
    suffix: str | None
    entities: dict[str, str]


def find_scans(root: Path) -> list[Scan]:
    """All images of the four kinds below the subject folders of `root`.

    Raises:
        PreprocessingError: no participants file or column, two lesion masks of a scan that nothing tells apart, one of
            a healthy participant, or no image but those after contrast agent and of phase.
    """
    healthy, _ = _participants(root / "participants.tsv")
    masks, (images, passed) = _masks(root), _images(root)
    if not images and passed:
        raise PreprocessingError(
            f"{root}: {len(passed)} images and none to read; those after contrast agent (ce-) and of phase (part-) are "
            f"not read: {passed[0].path.name}"
        )
    scans = []
    for image in images:
        lesion, normal = _mask_of(image, masks), healthy.get(image.subject, False)
        if normal and lesion is not None:
            raise PreprocessingError(f"{lesion}: a lesion mask of {image.subject}, who is healthy by participants.tsv")
        known: Any = {"healthy": normal, "labelled": normal or lesion is not None, **_facts(image)}
        scans.append(Scan(image.id, image.subject, _modality(image), image.path, lesion, **known))
    return scans


def find_images(root: Path) -> list[Scan]:
    """The same images, whoever they are of: `participants.tsv` is not needed, and each scan counts as unlabelled.

    Raises:
        PreprocessingError: two lesion masks of a scan that nothing tells apart.
    """
    masks = _masks(root)
    scans = [
        Scan(
            image.id,
            image.subject,
            _modality(image),
            image.path,
            _mask_of(image, masks),
            labelled=False,
            **_facts(image),  # type: ignore[arg-type]
        )
        for image in _images(root)[0]
    ]
    return sorted(scans, key=lambda scan: scan.id)


def findings(root: Path, scans: Sequence[Scan]) -> Iterator[tuple[str, str]]:
    """What is not as it should be: masks that no scan uses, participants and groups without a match, sidecars."""
    used = {scan.lesion for scan in scans}
    for mask in _masks(root):
        if mask.path not in used:
            yield "lesion mask of no image", mask.path.relative_to(root).as_posix()
    healthy, rows = _participants(root / "participants.tsv")
    subjects = {scan.subject for scan in scans}
    yield from (("no row in participants.tsv", subject) for subject in sorted(subjects - set(rows)))
    yield from (("participant without a scan", subject) for subject in sorted(set(rows) - subjects))
    values = {text for text in rows.values() if text not in _UNKNOWN}
    if values and not any(healthy.values()):
        yield "no value of participants.tsv means healthy", ", ".join(sorted(values)[:5])
    for scan in scans:
        if _sidecar(scan.image) is None:
            yield "sidecar that is not a JSON object, not believed", scan.image.relative_to(root).as_posix()


def _named(found: Sequence[tuple[Path, re.Match[str]]]) -> list[_File]:
    files = []
    for path, match in found:
        text = match["entities"] + (match.groupdict().get("more") or "")
        entities = dict(entity.split("-", 1) for entity in text.split("_") if entity)
        files.append(_File(path, match["id"], match["subject"], match["suffix"], entities))
    return files


def _images(root: Path) -> tuple[list[_File], list[_File]]:
    """One image for each session and modality, and those that are never read."""
    found = [(path, match) for path, match in matches(root, _IMAGE)
             if path.relative_to(root).parts[0] == match["subject"]]  # fmt: skip
    chosen: dict[tuple[str, str | None], _File] = {}
    passed = []
    for image in sorted(_named(found), key=lambda image: (len(image.entities), image.path)):
        if "ce" in image.entities or image.entities.get("part", "mag") != "mag":
            passed.append(image)
        else:
            chosen.setdefault((image.id, image.suffix), image)
    return list(chosen.values()), passed


def _modality(image: _File) -> str:
    return _MODALITIES[str(image.suffix)]


def _facts(image: _File) -> dict[str, bool]:
    said = _sidecar(image.path) or {}
    return {field: said.get(key) is True for field, key in _FACTS.items()}


def _sidecar(image: Path) -> dict[str, Any] | None:
    """What is said of an image, nothing where there is no sidecar; None: it is no JSON object."""
    path = image.with_name(image.name.split(".")[0] + ".json")
    if not path.is_file():
        return {}
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _masks(root: Path) -> list[_File]:
    return [
        mask
        for mask in _named(matches(root, _MASK))
        if mask.entities.get("label") == "lesion"
        and mask.entities.get("space", "orig") == "orig"
        and not _predicted(mask.path, root)
    ]


def _predicted(mask: Path, root: Path) -> bool:
    """Whether a mask lies in a derivative that this package predicted: that is no label."""
    folders = [folder for folder in mask.parents if folder.is_relative_to(root) and folder != root]
    for description in (folder / "dataset_description.json" for folder in folders):
        if description.is_file() and '"lesionless predict"' in description.read_text("utf-8", errors="replace"):
            return True
    return False


def _mask_of(image: _File, masks: Sequence[_File]) -> Path | None:
    """The mask with the most entities of the image and none of another.

    Raises:
        PreprocessingError: there are two.
    """
    fitting = [(mask, shared) for mask in masks if (shared := _shared(image, mask)) is not None]
    most = max((shared for _, shared in fitting), default=0)
    best = [mask.path for mask, shared in fitting if shared == most]
    if len(best) > 1:
        raise PreprocessingError(f"{image.id}: two lesion masks, {best[0]} and {best[1]}; keep one")
    return best[0] if best else None


def _shared(image: _File, mask: _File) -> int | None:
    """How many entities of a mask name this image; None: one of them names another."""
    if mask.id != image.id or mask.suffix not in (None, image.suffix):
        return None
    shared = int(mask.suffix is not None)
    for key, value in mask.entities.items():
        if key in _OF_A_MASK:
            continue
        kind = _kind(value) if key not in image.entities else None
        if kind != image.suffix and image.entities.get(key) != value:
            return None
        shared += 1
    return shared


def _kind(value: str) -> str | None:
    """The suffix that the value of an entity means: `FLAIR`, `T1` and `T1w`, …"""
    names = {name.lower(): suffix for modality, suffix in SUFFIXES.items() for name in (modality, suffix)}
    return names.get(value.lower())


def _participants(table: Path) -> tuple[dict[str, bool], dict[str, str]]:
    """Who is healthy, where it is known, and what the table says of each subject."""
    if not table.is_file():
        raise PreprocessingError(f"{table}: no such file; it says who is healthy, in one of {', '.join(_HEALTHY)}")
    columns, rows = read_table(table)
    column = next((name for name in _HEALTHY if name in columns), None)
    if column is None:
        raise PreprocessingError(f"{table}: no column that says who is healthy; one of {', '.join(_HEALTHY)}")
    said: dict[str, str] = {}
    for row in rows:
        name, value = row.values.get("participant_id", ""), row.values.get(column, "").lower()
        subject = name if name.startswith("sub-") else f"sub-{name}"
        if (other := said.setdefault(subject, value)) != value:
            raise PreprocessingError(f"{table}, line {row.line}: {subject} is {value!r} here, {other!r} before")
    known = {subject: value for subject, value in said.items() if value not in _UNKNOWN}
    return {subject: _means(value, _HEALTHY[column]) for subject, value in known.items()}, said


def _means(value: str, words: Sequence[str]) -> bool:
    """Whether a value is one of some words, `Healthy controls` of `healthycontrol`."""
    letters = re.sub(r"[^a-z0-9]", "", value.lower().removesuffix(".0"))
    return letters in words or letters.removesuffix("s") in words
