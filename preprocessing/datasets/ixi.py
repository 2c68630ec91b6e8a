"""IXI: healthy volunteers, T1 and T2 with skull, `IXI013-HH-1212_T1.nii.gz` or `IXI013-HH-1212-T1.nii.gz`."""

from __future__ import annotations

from pathlib import Path

from preprocessing.datasets._files import matches
from preprocessing.scan import Scan, bids_id

URL = "https://brain-development.org/ixi-dataset/"
LICENSE = "CC BY-SA 3.0"
OTHER = ("*-PD.nii*", "*-MRA.nii*", "*-DTI-*", "*_DLMUSE.nii*", "*.xls*")


def find_scans(root: Path) -> list[Scan]:
    """All heads below `root`; the licence wants https://brain-development.org/ixi-dataset/ acknowledged."""
    scans = []
    for path, match in matches(root, r"(IXI\d+)-[A-Za-z]+-\d+[-_](T[12])\.nii(?:\.gz)?"):
        name = bids_id(match[1])
        scans.append(Scan(name, name, match[2], path, healthy=True))
    return scans
