"""Studies in DICOM: a sub-folder of the root is a subject, each folder below it with DICOM files one series.

The name of the series' folder or of one above it, below the subject, says the modality: FLAIR, T1, T2 or CT. Where none
does, a series is CT if its header says so. Other series (localizers, diffusion, …) are listed as unknown. Nothing is
known of lesions, so the scans count as unlabelled; `table` can say more, with a folder as the image.
"""

from __future__ import annotations

from pathlib import Path

from preprocessing.datasets._files import walk
from preprocessing.errors import PreprocessingError
from preprocessing.io.dicom import is_series, modality
from preprocessing.scan import SUFFIXES, Scan, bids_id

OTHER = ("*/DICOMDIR",)
_NAMES = {name.lower(): name for name in SUFFIXES} | {suffix.lower(): name for name, suffix in SUFFIXES.items()}


def find_scans(root: Path) -> list[Scan]:
    """All series below the subject folders of `root` whose modality is known.

    Raises:
        PreprocessingError: DICOM files beside the subject folders.
    """
    scans = []
    for folder in sorted({Path(path).parent for path in walk(root)}):
        if not is_series(folder):
            continue
        if folder == root:
            raise PreprocessingError(f"{root}: DICOM files without a subject folder; give the folder above it")
        subject, *parts = folder.relative_to(root).parts
        if found := _modality(folder, parts):
            name = bids_id(subject)
            scans.append(Scan(name, name, found, folder, labelled=False))
    return scans


def _modality(folder: Path, parts: list[str]) -> str | None:
    for part in reversed(parts):
        if part.lower() in _NAMES:
            return _NAMES[part.lower()]
    return "CT" if modality(folder) == "CT" else None
