"""WMH segmentation challenge 2017, with skull: `Utrecht/0/pre/FLAIR.nii.gz`, `Amsterdam/GE3T/100/pre/FLAIR.nii.gz`.

`pre` is bias-corrected, its T1 lies on the grid of the FLAIR. The label `wmh.nii.gz` has 1 for white matter
hyperintensities and 2 for other pathology; both count as lesion, since neither is normal tissue, unless the
configuration `wmh2017` is used. `orig`, the 3-D T1 and the further observers (`additional_annotations`) are not read.
"""

from __future__ import annotations

from pathlib import Path

from preprocessing.datasets._files import matches
from preprocessing.scan import Scan, bids_id

URL = "https://doi.org/10.34894/AECRSD"
OTHER = ("*/orig/*", "*/3DT1*.nii*", "*_mask.nii*", "*/additional_annotations/*")


def find_scans(root: Path) -> list[Scan]:
    """All FLAIR and T1 images below `root`, each with the label of its subject."""
    scans = []
    site = r"(?P<site>Utrecht|Singapore|Amsterdam/[^/]+)/(?P<subject>\d+)"
    for path, match in matches(root, rf"{site}/pre/(?P<part>FLAIR|T1)\.nii\.gz"):
        name = bids_id(f"wmh{match['site']}{match['subject']}")
        scans.append(Scan(name, name, match["part"], path, lesion=path.parents[1] / "wmh.nii.gz"))
    return scans
