"""PhysioNet CT-ICH 1.3.1: `ct_scans/049.nii` in Hounsfield units, `masks/049.nii`, `hemorrhage_diagnosis_raw_ct.csv`.

Haemorrhages of all types are one label (> 0). A patient is healthy when every slice has No_Hemorrhage = 1; fractures of
the skull do not count.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from preprocessing.datasets._files import matches
from preprocessing.errors import PreprocessingError
from preprocessing.io.text import read_text
from preprocessing.scan import Scan, bids_id

URL = "https://doi.org/10.13026/4nae-zg36"
OTHER = ("*/masks/*.nii*", "*.csv", "*.py", "*.yml", "*.txt")
DIAGNOSIS = "hemorrhage_diagnosis_raw_ct.csv"


def find_scans(root: Path) -> list[Scan]:
    """All CT scans below `root`.

    Raises:
        PreprocessingError: no table of diagnoses, a patient or column that it lacks, or the JPEG release (to 1.2).
    """
    images = matches(root, r"ct_scans/(\d+)\.nii(?:\.gz)?")
    if not images and matches(root, r"Patients_CT/\d+/\w+/\d+\.jpg"):
        raise PreprocessingError(f"{root}: JPEG slices without Hounsfield units; version 1.3.1 has ct_scans/*.nii")
    healthy = {folder: _healthy(folder / DIAGNOSIS) for folder in {path.parents[1] for path, _ in images}}
    scans = []
    for path, match in images:
        folder, number, name = path.parents[1], int(match[1]), bids_id(f"ich{match[1]}")
        if number not in healthy[folder]:
            raise PreprocessingError(f"{folder / DIAGNOSIS}: no row of patient {number}, whose scan is {path.name}")
        fields: dict[str, Any] = {"healthy": True}
        if not healthy[folder][number]:
            fields = {"lesion": folder / "masks" / path.name}
        scans.append(Scan(name, name, "CT", path, **fields))
    return scans


def _healthy(table: Path) -> dict[int, bool]:
    if not table.is_file():
        raise PreprocessingError(f"{table}: no such file; it says which patients have no haemorrhage")
    healthy: dict[int, bool] = {}
    with io.StringIO(read_text(table), newline="") as stream:
        for line, row in enumerate(csv.DictReader(stream), 2):
            try:
                number, normal = int(row["PatientNumber"]), int(row["No_Hemorrhage"]) == 1
            except (KeyError, TypeError, ValueError) as error:
                rule = "PatientNumber and No_Hemorrhage must be whole numbers"
                raise PreprocessingError(f"{table}, line {line}: {rule}") from error
            healthy[number] = healthy.get(number, True) and normal
    return healthy
