"""What a sample cohort says about itself: description, README and participants."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from preprocessing.io.files import remove_temporaries, write_bytes, write_json
from preprocessing.phantom.modality import Modality
from preprocessing.phantom.subject_files import GENERATOR, Job

DESCRIPTION, PARTICIPANTS = "dataset_description.json", "participants.tsv"
README = """SIMULATED DATA: no person was scanned.

Raw {heads} with skull, made from real anatomy: the SRI-24 atlas (Rohlfing et al., Human Brain Mapping
31(5):798-819, 2010, CC BY-SA 3.0) and the ICBM152 grey- and white-matter maps that nilearn carries. Each subject has
{differs}; subjects of the group
"lesion" have simulated {lesions}. Licence: CC BY-SA 3.0, as the atlas.

derivatives/lesions  masks of the simulated lesions, on the grid of the scan (voxels with half of the change or more)
derivatives/truth    the true brain masks, to check brain extraction with; no method may use them
"""


def is_ours(out: Path, modality: Modality) -> bool:
    """Whether the folder is a sample cohort of this modality."""
    try:
        description = json.loads((out / DESCRIPTION).read_text())
        made_by = description["GeneratedBy"][0]["Name"]
        return bool((made_by, description["Name"]) == (GENERATOR["Name"], _title(modality)))
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _title(modality: Modality) -> str:
    return f"Simulated {modality.heads} with and without {modality.lesions} (lesionless sample cohort)"


def begin(out: Path, modality: Modality) -> None:
    """Write the descriptions and README; a killed run's half-written files are removed."""
    description: dict[str, Any] = {
        "Name": _title(modality),
        "BIDSVersion": "1.10.0",
        "DatasetType": "raw",
        "License": "CC BY-SA 3.0",
        "GeneratedBy": [GENERATOR],
    }
    write_json(out / DESCRIPTION, description)
    readme = README.format(heads=modality.heads, differs=modality.differs, lesions=modality.lesions)
    write_bytes(out / "README", readme.encode())
    for name in ("lesions", "truth"):
        content = {**description, "Name": f"Simulated heads: {name}", "DatasetType": "derivative"}
        write_json(out / "derivatives" / name / DESCRIPTION, content)
    remove_temporaries(out)


def write_participants(out: Path, jobs: Sequence[Job]) -> None:
    """Write `participants.tsv` from the sidecars of the subjects."""
    rows = ["participant_id\tgroup\tlesion_kind\tlesion_contrast\tlesion_ml"]
    for job in jobs:
        facts = json.loads(job.sidecar.read_text())
        cells = (job.name, job.group, facts["LesionKind"], facts["LesionContrast"], f"{facts['LesionVolumeMl']:.3f}")
        rows.append("\t".join(cell or "n/a" for cell in cells))
    write_bytes(out / PARTICIPANTS, ("\n".join(rows) + "\n").encode())
