"""One scan of one subject, as the data set adapters describe it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from preprocessing.errors import PreprocessingError

SUFFIXES = {"FLAIR": "FLAIR", "T1": "T1w", "T2": "T2w", "CT": "ct"}
SPLITS = ("train", "calibration", "validation", "test", "unlabelled")
PAIR = (".hdr", ".img")
_ID = re.compile(r"sub-[A-Za-z0-9]+(_ses-[A-Za-z0-9]+)?")


@dataclass(frozen=True)
class Scan:
    """A raw scan with what is known about it.

    Args:
        id: `sub-<letters and digits>` with an optional `_ses-<letters and digits>`; names the files that are written.
        subject: the person; all scans of one subject go to the same split.
        modality: one of `FLAIR`, `T1`, `T2`, `CT`.
        image: NIfTI file, or the folder of one DICOM series.
        lesion: lesion label on the grid of the image, by the rule of the configuration. None: no label file.
        brain: brain mask on the grid of the image, see `read_mask`. None: the mask is computed.
        healthy: no lesion is known of; its lesion mask is empty.
        stripped: the image has no skull, its background is one constant.
        labelled: the label (or `healthy`) is complete, so that the rest of the brain counts as normal.
        flair_like: give this T1 scan a FLAIR-like contrast before intensities are normalised.
        simulated: the scan is not of a person.
        split: put the subject there, instead of by seed.

    Raises:
        PreprocessingError: a field breaks one of these rules.
    """

    id: str
    subject: str
    modality: str
    image: Path
    lesion: Path | None = None
    brain: Path | None = None
    healthy: bool = False
    stripped: bool = False
    labelled: bool = True
    flair_like: bool = False
    simulated: bool = False
    split: str | None = None

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise PreprocessingError(f"scan id {self.id!r} is not sub-<letters and digits>[_ses-<letters and digits>]")
        if self.modality not in SUFFIXES:
            raise PreprocessingError(f"{self.id}: unknown modality {self.modality!r}; available: {', '.join(SUFFIXES)}")
        if self.split is not None and self.split not in SPLITS:
            raise PreprocessingError(f"{self.id}: unknown split {self.split!r}; available: {', '.join(SPLITS)}")
        if self.healthy and (self.lesion is not None or not self.labelled):
            raise PreprocessingError(f"{self.id}: a healthy scan has no lesion label and counts as labelled")
        if self.labelled and not self.healthy and self.lesion is None:
            raise PreprocessingError(f"{self.id}: a labelled scan that is not healthy needs a lesion label file")
        if self.flair_like and self.modality != "T1":
            raise PreprocessingError(f"{self.id}: flair_like is for T1 scans, this one is {self.modality}")

    @property
    def contrast(self) -> str:
        """The modality that the prepared image has."""
        return "FLAIR" if self.flair_like else self.modality

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files that are read."""
        slices = sorted(path for path in self.image.iterdir() if path.is_file()) if self.image.is_dir() else []
        masks = (path for path in (self.lesion, self.brain) if path is not None)
        return (*(slices or files_of(self.image)), *(file for mask in masks for file in files_of(mask)))


def files_of(path: Path) -> list[Path]:
    """The files that an image consists of: a pair of `.hdr` and `.img` has two."""
    if path.suffix.lower() not in PAIR or not path.is_file():
        return [path]
    return sorted(other for other in path.parent.iterdir() if other.stem == path.stem and other.suffix.lower() in PAIR)


def bids_id(name: str, session: str | None = None) -> str:
    """`sub-<name>[_ses-<session>]` with everything but letters and digits removed."""
    subject = re.sub(r"[^A-Za-z0-9]", "", name.removeprefix("sub-"))
    return f"sub-{subject}" + (f"_ses-{re.sub(r'[^A-Za-z0-9]', '', session)}" if session else "")


def check_scans(scans: Sequence[Scan]) -> None:
    """Refuse what no split or file name could tell apart.

    Raises:
        PreprocessingError: no scan, an id twice, a subject both healthy and not, or scans of several modalities.
    """
    if not scans:
        raise PreprocessingError("no scans found")
    twice = sorted(name for name, count in Counter(scan.id.lower() for scan in scans).items() if count > 1)
    if twice:
        count = _count(scans, twice[0])
        raise PreprocessingError(f"duplicate subject: the scan id {twice[0]!r} is there {count} times")
    both = {s.subject for s in scans if s.healthy} & {s.subject for s in scans if not s.healthy}
    if both:
        raise PreprocessingError(f"subject {min(both)!r} has both healthy and lesion scans; give them one status")
    contrasts = sorted({scan.contrast for scan in scans})
    if len(contrasts) > 1:
        raise PreprocessingError(f"one data set has one modality, these scans have {', '.join(contrasts)}; choose one")


def _count(scans: Iterable[Scan], name: str) -> int:
    return sum(scan.id.lower() == name for scan in scans)
