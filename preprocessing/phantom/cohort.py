"""The sample cohort on disk: a BIDS data set of simulated raw heads with skull, complete or continued."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from preprocessing.errors import PreprocessingError
from preprocessing.executors import Processes
from preprocessing.io.files import remove_temporaries, write_bytes, write_json, write_nifti
from preprocessing.phantom.anatomy import Anatomy, ensure_tissues
from preprocessing.phantom.ct import CT
from preprocessing.phantom.flair import FLAIR
from preprocessing.phantom.modality import Modality
from preprocessing.phantom.subject import LESION, simulate
from preprocessing.progress import progress_bar
from preprocessing.space.atlas import ensure_atlas

MODALITIES = {"flair": FLAIR, "ct": CT}
HEALTHY = "healthy"
GENERATOR = {"Name": "lesionless phantom", "Version": "1.1"}
DESCRIPTION, PARTICIPANTS = "dataset_description.json", "participants.tsv"
README = """SIMULATED DATA: no person was scanned.

Raw {heads} with skull, made from real anatomy: the SRI-24 atlas (Rohlfing et al., Human Brain Mapping
31(5):798-819, 2010, CC BY-SA 3.0) and the ICBM152 grey- and white-matter maps that nilearn carries. Each subject has
{differs}; subjects of the group
"lesion" have simulated {lesions}. Licence: CC BY-SA 3.0, as the atlas.

derivatives/lesions  masks of the simulated lesions, on the grid of the scan (voxels with half of the change or more)
derivatives/truth    the true brain masks, to check brain extraction with; no method may use them
"""


@dataclass(frozen=True)
class Job:
    """One subject to write: the file of tissue maps, the data set, the subject's seed, group, index and modality."""

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


def write_cohort(
    out: Path,
    healthy: int = 24,
    lesion: int = 14,
    seed: int = 0,
    workers: int = 2,
    progress: bool = True,
    atlas: Path | None = None,
    tissues: Path | None = None,
    modality: str = "flair",
) -> Path:
    """Write the sample cohort to `out` as a BIDS data set; subjects that are there already are kept.

    A subject depends on `seed`, its group and its index only: cohorts of different sizes share their first subjects,
    byte for byte, whatever the number of workers.

    Args:
        out: a new or empty folder, or one that this function began.
        healthy: number of subjects without lesions.
        lesion: number of subjects with lesions.
        seed: 0 or more.
        workers: processes; 0: this process.
        progress: show a progress bar on stderr.
        atlas: see `ensure_atlas`.
        tissues: a file of `Anatomy.save` in the place of the atlas.
        modality: one of MODALITIES.

    Returns:
        `out`. `participants.tsv` lists the subjects of this call and is written last.

    Raises:
        PreprocessingError: counts or seed below 0, no subject, an unknown modality, other content in `out`, no atlas.
    """
    _check(out, healthy, lesion, seed, modality)
    with tempfile.TemporaryDirectory() as spare:
        tissues = tissues or ensure_tissues(ensure_atlas(atlas), Path(spare))
        counts = ((HEALTHY, healthy), (LESION, lesion))
        jobs = [Job(tissues, out, seed, group, index, modality) for group, count in counts for index in range(count)]
        _begin(out, MODALITIES[modality])
        missing = [job for job in jobs if not is_complete(job)]
        if missing:
            (out / PARTICIPANTS).unlink(missing_ok=True)
        _write_all(missing, len(jobs), min(workers, len(missing)), progress)
    _write_participants(out, jobs)
    return out


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


def _check(out: Path, healthy: int, lesion: int, seed: int, modality: str) -> None:
    if modality not in MODALITIES:
        raise PreprocessingError(f"unknown modality {modality!r}; available: {', '.join(MODALITIES)}")
    for name, value in (("healthy", healthy), ("lesion", lesion), ("seed", seed)):
        if value < 0:
            raise PreprocessingError(f"{name} {value} must be 0 or more")
    if healthy + lesion == 0:
        raise PreprocessingError("healthy 0 and lesion 0: a cohort needs a subject")
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not _is_ours(out, modality))):
        raise PreprocessingError(f"{out}: not empty and not a sample cohort of {modality}; choose a new folder")


def _is_ours(out: Path, modality: str) -> bool:
    try:
        description = json.loads((out / DESCRIPTION).read_text())
        made_by = description["GeneratedBy"][0]["Name"]
        return bool((made_by, description["Name"]) == (GENERATOR["Name"], _title(MODALITIES[modality])))
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _title(modality: Modality) -> str:
    return f"Simulated {modality.heads} with and without {modality.lesions} (lesionless sample cohort)"


def _begin(out: Path, modality: Modality) -> None:
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


def _write_all(missing: list[Job], total: int, workers: int, progress: bool) -> None:
    with progress_bar(progress) as bar:
        task = bar.add_task("simulated heads", total=total, completed=total - len(missing))
        for job, name in Processes(workers).run(write_subject, missing):
            if name is None:
                raise PreprocessingError(f"{job.name}: its process was killed (out of memory?); run the command again")
            bar.advance(task)


def _write_participants(out: Path, jobs: list[Job]) -> None:
    rows = ["participant_id\tgroup\tlesion_kind\tlesion_contrast\tlesion_ml"]
    for job in jobs:
        facts = json.loads(job.sidecar.read_text())
        cells = (job.name, job.group, facts["LesionKind"], facts["LesionContrast"], f"{facts['LesionVolumeMl']:.3f}")
        rows.append("\t".join(cell or "n/a" for cell in cells))
    write_bytes(out / PARTICIPANTS, ("\n".join(rows) + "\n").encode())
