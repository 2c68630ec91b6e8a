"""ISBI 2015 longitudinal multiple sclerosis challenge, preprocessed (stripped, MNI): `training01_01_flair_pp.nii`.

Two raters marked each scan; the label is that of the first, `training01_01_mask1.nii`. The scans of the challenge's
test set (`test01_01_flair_pp.nii`) have no public label and count as unlabelled. `orig` and proton density are not
read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from preprocessing.datasets._files import matches
from preprocessing.scan import Scan, bids_id

URL = "https://doi.org/10.1016/j.neuroimage.2016.12.064"
OTHER = ("*_pd_pp.nii*", "*_mask2.nii*", "*/orig/*")
_MODALITIES = {"flair": "FLAIR", "mprage": "T1", "t2": "T2"}
_STUDY = r"(?P<study>(?P<subject>(?P<set>training|test)\d+)_(?P<session>\d+))"


def find_scans(root: Path) -> list[Scan]:
    """All FLAIR, T1 and T2 images below `root`."""
    labels = {match["study"]: path for path, match in matches(root, rf"{_STUDY}_mask1\.nii(?:\.gz)?")}
    scans = []
    for path, match in matches(root, rf"{_STUDY}_(?P<part>{'|'.join(_MODALITIES)})_pp\.nii(?:\.gz)?"):
        subject = bids_id(f"msisbi{match['subject']}")
        expected = path.parent.with_name("masks") / f"{match['study']}_mask1.nii"
        fields: dict[str, Any] = {"labelled": False}
        if match["set"] == "training":
            fields = {"lesion": labels.get(match["study"], expected)}
        name = bids_id(subject, match["session"])
        scans.append(Scan(name, subject, _MODALITIES[match["part"]], path, stripped=True, **fields))
    return scans
