"""Where two-dimensional data sets keep their images and masks, and whose they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from preprocessing.datasets._files import matches
from preprocessing.errors import PreprocessingError


@dataclass(frozen=True)
class Layout:
    """File names of a data set.

    Args:
        image: regular expression of the end of an image's path, with the groups `patient` and `slice`, and `part` where
            folders state a split.
        lesion: path of the mask, relative to the folder that the match begins in; `{group}` is a group of `image`. An
            image whose mask is not there has no lesion.
        channel: of a coloured image, from 0.
        splits: split of each `part`; empty: by seed.
    """

    image: str
    lesion: str
    channel: int = 0
    splits: Mapping[str, str] = field(default_factory=dict)


LAYOUTS = {
    # Buda et al. 2019: before contrast medium, FLAIR, after it
    "kaggle_lgg": Layout(
        r"(?P<folder>TCGA_[^/]+)/(?P<patient>TCGA_[A-Z0-9]+_[A-Z0-9]+)_(?P<date>\d+)_(?P<slice>\d+)\.tif",
        "{folder}/{patient}_{date}_{slice}_mask.tif",
        channel=1,
    ),
    # Bao et al. 2024, the brain of BMAD
    "bmad": Layout(
        r"(?P<part>train/good|(?:valid|test)/(?:good|Ungood))/(?P<img>(?:img/)?)(?P<patient>[^/]+)_(?P<slice>\d+)\.png",
        "{part}/label/{patient}_{slice}.png",
        splits={
            "train/good": "train",
            "valid/good": "calibration",
            "valid/Ungood": "validation",
            "test/good": "test",
            "test/Ungood": "test",
        },
    ),
    # Cai et al. 2024, the BraTS folder of MedIAnomaly; it has no validation part
    "medianomaly_brats": Layout(
        r"(?P<part>train|test/normal|test/tumor)/(?P<patient>[^/]+?)_flair_(?P<slice>\d+)\.png",
        "test/annotation/{patient}_seg_{slice}.png",
        splits={"train": "train", "test/normal": "test", "test/tumor": "test"},
    ),
}


class Slice(NamedTuple):
    """An image, its mask or None, and where it belongs; `split` None: by seed."""

    image: Path
    lesion: Path | None
    patient: str
    number: int
    split: str | None


def find_slices(root: Path, layout: Layout) -> list[Slice]:
    """The images below a folder, by patient and number.

    Raises:
        PreprocessingError: none is there.
    """
    found = []
    for path, match in matches(root, layout.image):
        groups = match.groupdict()
        start = Path(str(path.absolute())[: match.start(next(iter(match.re.groupindex)))])
        lesion = start / layout.lesion.format(**groups)
        mask = lesion if lesion.is_file() else None
        split = layout.splits[groups["part"]] if layout.splits else None
        found.append(Slice(path, mask, groups["patient"], int(groups["slice"]), split))
    if not found:
        raise PreprocessingError(f"{root}: no image whose path ends like {layout.image}")
    return sorted(found, key=lambda one: (one.patient, one.number))


def own_layout(image: str, lesion: str, channel: int) -> Layout:
    """A layout of one's own.

    Raises:
        PreprocessingError: no regular expression, or one without the groups `patient` and `slice`.
    """
    try:
        groups = re.compile(image).groupindex
    except re.error as error:
        raise PreprocessingError(f"--image {image!r} is no regular expression: {error}") from error
    if missing := [name for name in ("patient", "slice") if name not in groups]:
        raise PreprocessingError(f"--image {image!r} has no group (?P<{missing[0]}>…)")
    return Layout(image, lesion, channel)
