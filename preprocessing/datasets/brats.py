"""BraTS 2018 to 2024, skull-stripped on the SRI-24 grid; in the label > 0 is the whole tumour.

* to 2021: `BraTS19_CBICA_AAB_1_flair.nii.gz`, `BraTS20_Training_001_flair.nii`, `BraTS2021_00000_flair.nii.gz` with
  the label `…_seg`;
* from 2023: `BraTS-GLI-00000-000-t2f.nii.gz`, where 000 is the session, with the label `…-seg`.

A case without a label file, as in the validation sets, counts as unlabelled. T1 after contrast agent is not read.
"""

from __future__ import annotations

from pathlib import Path

from preprocessing.datasets._files import matches
from preprocessing.scan import Scan, bids_id

URL = "https://www.med.upenn.edu/cbica/brats/"
OTHER = ("*_t1ce.nii*", "*-t1c.nii*", "*.csv", "*.xls*")
_CASE = r"(?P<case>(?P<subject>Bra[Tt][Ss]\d+_\w+|BraTS-[A-Z]+-\d+)(?:-(?P<session>\d+))?)"
_MODALITIES = {"flair": "FLAIR", "t2f": "FLAIR", "t1": "T1", "t1n": "T1", "t2": "T2", "t2w": "T2"}
_MISNAMED = r"(?P<case>BraTS20_Training_355)/W39_1998\.09\.19_Segm\.nii(?:\.gz)?"  # so in every copy of BraTS 2020


def find_scans(root: Path) -> list[Scan]:
    """All FLAIR, T1 and T2 images below `root`, each with the label of its case."""
    patterns = (_MISNAMED, rf"{_CASE}[_-]seg\.nii(?:\.gz)?")
    labels = {match["case"]: path for pattern in patterns for path, match in matches(root, pattern)}
    scans = []
    for path, match in matches(root, rf"{_CASE}[_-](?P<part>{'|'.join(_MODALITIES)})\.nii(?:\.gz)?"):
        label, name = labels.get(match["case"]), bids_id(match["subject"], match["session"])
        subject, modality, labelled = bids_id(match["subject"]), _MODALITIES[match["part"]], label is not None
        scans.append(Scan(name, subject, modality, path, lesion=label, stripped=True, labelled=labelled))
    return scans
