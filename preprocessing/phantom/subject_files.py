"""The files of one simulated subject: volumes, and a sidecar that is written last."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from preprocessing.io.files import write_json, write_nifti
from preprocessing.phantom.anatomy import Anatomy
from preprocessing.phantom.ct import CT
from preprocessing.phantom.flair import FLAIR
from preprocessing.phantom.subject import LESION, simulate

MODALITIES = {"flair": FLAIR, "ct": CT}
GENERATOR = {"Name": "lesionless phantom", "Version": "1.1"}


@dataclass(frozen=True)
class Job:
    """One subject to write.

    Args:
        tissues: file of the tissue maps.
        out: folder of the data set.
        seed: of the cohort.
        group: `healthy` or `lesion`.
        index: in its group, from 0.
        modality: one of MODALITIES.
    """

    tissues: Path
    out: Path
    seed: int
    group: str
    index: int
    modality: str

    @property
    def name(self) -> str:
        """`sub-healthy01` is the first of its group."""
        return f"sub-{self.group}{self.index + 1:02d}"

    @property
    def sidecar(self) -> Path:
        """The JSON file beside the scan; written last, so that it stands for a complete subject."""
        return self.out / self.name / "anat" / f"{self.name}_{MODALITIES[self.modality].suffix}.json"

    def paths(self) -> dict[str, Path]:
        """The subject's volumes by kind."""
        truth = self.out / "derivatives/truth" / self.name / "anat" / f"{self.name}_desc-brain_mask.nii.gz"
        found = {"image": self.sidecar.with_suffix(".nii.gz"), "brain": truth}
        if self.group == LESION:
            anat = self.out / "derivatives/lesions" / self.name / "anat"
            found["lesion"] = anat / f"{self.name}_label-lesion_mask.nii.gz"
        return found


def write_subject(job: Job) -> str:
    """Simulate and write one subject, its sidecar last; returns its name."""
    subject = simulate(_load(job.tissues), job.seed, job.group, job.index, MODALITIES[job.modality])
    job.sidecar.unlink(missing_ok=True)
    for kind, path in job.paths().items():
        write_nifti(path, getattr(subject, kind), subject.affine)
    write_json(job.sidecar, {"GeneratedBy": GENERATOR, **subject.facts})
    return job.name


def is_complete(job: Job) -> bool:
    """Whether the subject's files are there and come from this seed and this version of the generator."""
    try:
        facts = json.loads(job.sidecar.read_text())
    except (OSError, ValueError):
        return False
    same = (facts.get("GeneratedBy"), facts.get("Seed")) == (GENERATOR, job.seed)
    return same and all(path.is_file() for path in job.paths().values())


_load = lru_cache(maxsize=1)(Anatomy.load)
