"""The sample cohort of `python -m preprocessing phantom`: simulated raw FLAIR or CT heads in BIDS."""

from __future__ import annotations

import csv
from pathlib import Path

from preprocessing.errors import PreprocessingError
from preprocessing.scan import SUFFIXES, Scan

OTHER = ("*/participants.*", "*/dataset_description.json", "*/derivatives/*", "*/anat/*.json")
_GROUPS = ("healthy", "lesion")


def find_scans(root: Path) -> list[Scan]:
    """The participants of `participants.tsv`; its group (healthy, lesion) says whether a label is expected.

    Raises:
        PreprocessingError: no participants file, a participant twice, or an unknown group.
    """
    table = root / "participants.tsv"
    if not table.is_file():
        raise PreprocessingError(f"{table}: no such file; the sample cohort is written by `preprocessing phantom`")
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    modality = next((m for m, suffix in SUFFIXES.items() if any(root.glob(f"sub-*/anat/*_{suffix}.nii.gz"))), "FLAIR")
    scans = []
    for row in rows:
        name, group = row.get("participant_id") or "", row.get("group")
        if group not in _GROUPS:
            raise PreprocessingError(f"{table}: group {group!r} of {name!r}; it must be one of {', '.join(_GROUPS)}")
        lesion = root / "derivatives" / "lesions" / name / "anat" / f"{name}_label-lesion_mask.nii.gz"
        scans.append(
            Scan(
                name,
                name,
                modality,
                root / name / "anat" / f"{name}_{SUFFIXES[modality]}.nii.gz",
                lesion=None if group == "healthy" else lesion,
                healthy=group == "healthy",
                simulated=True,
            )
        )
    return scans
