"""The scans that are meant by what a user names: files, folders of several kinds, tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lesionless.prediction.naming import IMAGES, scan_of_file, scan_of_series
from preprocessing.cohort.request import is_prepared, load_request
from preprocessing.datasets import find_all
from preprocessing.datasets.bids import find_images
from preprocessing.errors import PreprocessingError
from preprocessing.io.dicom import is_series
from preprocessing.scan import Scan

TABLES = (".csv",)


@dataclass(frozen=True)
class Source:
    """One scan to predict.

    Args:
        label: of its lesions, for a Dice only.
        assumed: nothing but the model says its modality.
        dataset: a prepared data set that has the scan.
    """

    scan: Scan
    label: Path | None = None
    assumed: bool = False
    dataset: Path | None = None


def find_sources(paths: Sequence[Path], modality: str, flair_like: bool = False) -> list[Source]:
    """The scans named by `paths`, in the modality of a model.

    Args:
        paths: NIfTI files, folders of one DICOM series, folders of patients with DICOM series, BIDS folders, folders
            of NIfTI files, tables (`scans.csv`), prepared data sets.
        modality: of the model; a file whose name does not say another one is taken for it.
        flair_like: take T1 scans, and give them a FLAIR-like contrast.

    Raises:
        PreprocessingError: no scan, one of another modality or already in another space, or one id twice.
    """
    found = [source for path in paths for source in _sources(path, modality, flair_like)]
    found = [replace(source, scan=_made_flair_like(source.scan)) for source in found] if flair_like else found
    for source in found:
        _check(source.scan, modality)
    ids: dict[str, Path] = {}
    for source in found:
        other = ids.setdefault(source.scan.id.lower(), source.scan.image)
        if other != source.scan.image:
            raise PreprocessingError(
                f"{other} and {source.scan.image} would both be {source.scan.id}; name them in a table (scans.csv)"
            )
    if not found:
        raise PreprocessingError(f"no scan found in {', '.join(map(str, paths))}")
    return sorted({source.scan.id: source for source in found}.values(), key=lambda source: source.scan.id)


def _sources(path: Path, modality: str, flair_like: bool) -> list[Source]:
    wanted = "T1" if flair_like else modality
    if path.is_file() and path.name.endswith(TABLES):
        return [_of(scan) for scan in find_all("table", path)]
    if path.is_file():
        return [_named(*scan_of_file(path, wanted))]
    if not path.is_dir():
        raise PreprocessingError(f"{path}: no such file or folder")
    if is_prepared(path):
        return [Source(scan, scan.lesion, dataset=path) for scan in load_request(path).scans]
    if is_series(path):
        return [_named(*scan_of_series(path, wanted))]
    images = sorted(child for child in path.iterdir() if child.name.endswith(IMAGES))
    if images:
        return [_named(*scan_of_file(image, wanted)) for image in images]
    if (path / "scans.csv").is_file():
        return [_of(scan) for scan in find_all("table", path)]
    if any(path.glob("sub-*/**/*.nii*")):
        return bids_sources(path, wanted)
    return [_of(scan) for scan in find_all("dicom", path) if scan.modality == wanted]


def bids_sources(
    root: Path, modality: str, participants: Sequence[str] = (), sessions: Sequence[str] = ()
) -> list[Source]:
    """The scans of one modality of a BIDS folder.

    Args:
        participants, sessions: labels with or without `sub-` and `ses-`; none: all.

    Raises:
        PreprocessingError: a label that no scan of the modality has, or no scan.
    """
    found = [scan for scan in find_images(root) if scan.modality == modality]
    for place, (kind, labels) in enumerate((("sub", participants), ("ses", sessions))):
        wanted = {f"{kind}-{label.removeprefix(f'{kind}-')}" for label in labels}
        there = {scan.id: scan.id.split("_")[place] for scan in found if scan.id.count("_") >= place}
        if missing := sorted(wanted - set(there.values())):
            known = ", ".join(sorted(set(there.values()))[:8]) or "none"
            raise PreprocessingError(f"{root}: no {modality} scan of '{missing[0]}'; available: {known}")
        found = [scan for scan in found if not wanted or there.get(scan.id) in wanted]
    if not found:
        raise PreprocessingError(f"{root}: no {modality} scan of any participant")
    return [_of(scan) for scan in found]


def _of(scan: Scan) -> Source:
    """What is known of its state decides nothing: the label is kept apart, and the scan counts as unlabelled."""
    return Source(unlabelled(scan), scan.lesion)


def _named(scan: Scan, assumed: bool) -> Source:
    return Source(scan, assumed=assumed)


def unlabelled(scan: Scan) -> Scan:
    """The scan without what is known of its state."""
    return replace(scan, lesion=None, healthy=False, labelled=False, split=None)


def _made_flair_like(scan: Scan) -> Scan:
    return replace(scan, flair_like=True) if scan.modality == "T1" else scan


def _check(scan: Scan, modality: str) -> None:
    if scan.contrast != modality:
        way = (
            " (--flair-like gives T1 scans a FLAIR-like contrast)"
            if (scan.modality, modality) == ("T1", "FLAIR")
            else ""
        )
        raise PreprocessingError(f"{scan.image}: a {scan.modality} scan; this model knows {modality}{way}")
