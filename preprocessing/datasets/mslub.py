"""MSLUB (Ljubljana), FLAIR of multiple sclerosis, in two layouts (as in github.com/muschellij2/open_ms_data).

* cross-sectional, stripped, MNI: `p07_FLAIR_MNI_brain.nii.gz` with the consensus label `p07_GT_MNI.nii.gz`;
* longitudinal, raw: `patient01_study1_FLAIR.nii.gz`. Its labels mark only lesions that changed between two studies,
  so these scans count as unlabelled.
"""

from __future__ import annotations

import re
from pathlib import Path

from preprocessing.scan import Scan, bids_id

_MNI = re.compile(r"p(\d+)_FLAIR_MNI_brain\.nii(\.gz)?")
_RAW = re.compile(r"(patient\d+)_study(\d+)_FLAIR\.nii(\.gz)?")


def find_scans(root: Path) -> list[Scan]:
    """All FLAIR scans of both layouts below `root`."""
    scans = []
    for path in sorted(root.rglob("*_FLAIR*.nii*")):
        if match := _MNI.fullmatch(path.name):
            name = bids_id(f"mslub{match[1]}")
            label = path.with_name(path.name.replace("_FLAIR_MNI_brain", "_GT_MNI"))
            scans.append(Scan(name, name, "FLAIR", path, lesion=label, stripped=True))
        elif match := _RAW.fullmatch(path.name):
            subject = bids_id(f"mslub{match[1]}")
            scans.append(Scan(bids_id(subject, f"study{match[2]}"), subject, "FLAIR", path, labelled=False))
    return scans
