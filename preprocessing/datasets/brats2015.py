"""BraTS 2015 as DeepMedic prepared it: `<case>_Flair_subtrMeanDivStd`, `<case>_OTMultiClass`, `<case>_brainmask`.

The brain is z-scored, the background one negative constant; in the label > 0 is the whole tumour.
"""

from __future__ import annotations

from pathlib import Path

from preprocessing.scan import Scan, bids_id

URL = "https://github.com/deepmedic/deepmedic"
LICENSE = "CC BY-NC-SA 3.0"
OTHER = ("*_subtrMeanDivStd.nii*",)
_IMAGE, _LABEL, _MASK = "_Flair_subtrMeanDivStd.nii.gz", "_OTMultiClass.nii.gz", "_brainmask.nii.gz"


def find_scans(root: Path) -> list[Scan]:
    """All FLAIR cases below `root`, each with its label and brain mask."""
    scans = []
    for path in sorted(root.rglob(f"*{_IMAGE}")):
        case = path.name.removesuffix(_IMAGE)
        name = bids_id(case)
        label, mask = path.with_name(case + _LABEL), path.with_name(case + _MASK)
        scans.append(Scan(name, name, "FLAIR", path, lesion=label, brain=mask, stripped=True))
    return scans
