"""What a scan is by the name of its file or folder: id, modality, space."""

from __future__ import annotations

import re
from pathlib import Path

from preprocessing.errors import PreprocessingError
from preprocessing.scan import SUFFIXES, Scan, bids_id

IMAGES = (".nii", ".nii.gz")
_WORDS = {
    **{key: key for key in SUFFIXES},
    **{suffix.upper(): key for key, suffix in SUFFIXES.items()},
    "T2FLAIR": "FLAIR",
}
_BIDS = re.compile(r"(sub-[a-zA-Z0-9]+(?:_ses-[a-zA-Z0-9]+)?)(?:_|$)")
_SPACE = re.compile(r"_space-(?!orig_)([a-zA-Z0-9]+)_")


def scan_of_file(path: Path, modality: str) -> tuple[Scan, bool]:
    """The scan in a NIfTI file, and whether its name leaves the modality open.

    Raises:
        PreprocessingError: not NIfTI, or in another space than the scan was taken in.
    """
    if not path.name.endswith(IMAGES):
        raise PreprocessingError(f"{path}: not a NIfTI file ({', '.join(IMAGES)}), a table (.csv) or a folder")
    stem = path.name.split(".nii")[0]
    if space := _SPACE.search(f"{stem}_"):
        raise PreprocessingError(f"{path}: already in the space {space[1]}; give the scan itself, as it was taken")
    match = _BIDS.match(stem)
    said = _said(stem)
    name = match[1] if match else bids_id(stem)
    return _scan(name, said or modality, path), said is None


def scan_of_series(path: Path, modality: str) -> tuple[Scan, bool]:
    """The scan in a folder of one DICOM series, and whether its name leaves the modality open.

    The name of a folder of DICOM files may be a description or a person's name; it becomes letters and digits.
    """
    said = _said(path.name)
    return _scan(bids_id(path.resolve().name), said or modality, path), said is None


def _scan(name: str, modality: str, image: Path) -> Scan:
    return Scan(name, name.split("_")[0], modality, image, labelled=False)


def _said(name: str) -> str | None:
    words = [word.upper() for word in re.split(r"[^a-zA-Z0-9]+", name)]
    return next((_WORDS[word] for word in reversed(words) if word in _WORDS), None)
