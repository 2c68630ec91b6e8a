"""IXI: healthy volunteers, T1 with skull, `IXI013-HH-1212_T1.nii.gz` or `IXI013-HH-1212-T1.nii.gz`."""

from __future__ import annotations

import re
from pathlib import Path

from preprocessing.scan import Scan, bids_id

_NAME = re.compile(r"(IXI\d+)-[A-Za-z]+-\d+[-_]T1\.nii(\.gz)?")


def find_scans(root: Path) -> list[Scan]:
    """All T1 heads below `root`; the licence wants https://brain-development.org/ixi-dataset/ acknowledged."""
    scans = []
    for path in sorted(root.rglob("IXI*.nii*")):
        if match := _NAME.fullmatch(path.name):
            name = bids_id(match[1])
            scans.append(Scan(name, name, "T1", path, healthy=True))
    return scans
