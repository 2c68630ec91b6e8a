"""MSLUB (Ljubljana), multiple sclerosis, in three layouts (as published and in github.com/muschellij2/open_ms_data).

* cross-sectional, with skull: `patient01/patient01_FLAIR.nii.gz`; T1 and T2 are aligned with the FLAIR, on whose grid
  the consensus label `patient01_consensus_gt.nii.gz` is. The folder `patient01/raw` has no label and is not read;
* cross-sectional, stripped, MNI: `p07_FLAIR_MNI_brain.nii.gz` with the consensus label `p07_GT_MNI.nii.gz`;
* longitudinal, raw: `patient01_study1_FLAIR.nii.gz` or `patient01/study1_FLAIR.nii.gz`. Its labels mark only lesions
  that changed between two studies, so these scans count as unlabelled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from preprocessing.datasets._files import matches
from preprocessing.scan import Scan, bids_id

URL = "https://github.com/muschellij2/open_ms_data"
LICENSE = "CC BY"
OTHER = ("*_to_*.txt", "*brainmask*.nii*", "*_gt.nii*", "*change_gt*.nii*", "*T1POST*.nii*", "*T1WKS.nii*",
         "*/patient??/raw/*")  # fmt: skip
_MODALITIES = {"FLAIR": "FLAIR", "T1W": "T1", "T2W": "T2", "T1": "T1", "T2": "T2"}
_END = r"\.nii(?:\.gz)?"
_CROSS = rf"(?P<folder>patient(?P<subject>\d+))/(?P<prefix>(?P=folder)_|)(?P<part>FLAIR|T1W|T2W){_END}"
_MNI = rf"p(?P<subject>\d+)_(?P<part>FLAIR|T1|T2)_MNI_brain{_END}"
_LONGITUDINAL = rf"(?P<subject>patient\d+)(?:_|/|/(?P=subject)_)study(?P<session>\d+)_(?P<part>FLAIR|T1W|T2W){_END}"


def find_scans(root: Path) -> list[Scan]:
    """All FLAIR, T1 and T2 images of the three layouts below `root`."""
    scans = []
    for path, match in matches(root, _CROSS):
        label = path.with_name(path.name.replace(match["part"], "consensus_gt"))
        scans.append(_scan(path, match, lesion=label))
    for path, match in matches(root, _MNI):
        label = path.with_name(path.name.replace(f"_{match['part']}_MNI_brain", "_GT_MNI"))
        scans.append(_scan(path, match, lesion=label, stripped=True))
    for path, match in matches(root, _LONGITUDINAL):
        scans.append(_scan(path, match, f"study{match['session']}", labelled=False))
    return scans


def _scan(path: Path, match: Any, session: str | None = None, **fields: Any) -> Scan:
    subject = bids_id(f"mslub{match['subject']}")
    return Scan(bids_id(subject, session), subject, _MODALITIES[match["part"]], path, **fields)
