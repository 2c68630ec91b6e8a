"""The sample cohort on disk: a BIDS data set of simulated raw heads with skull, complete or continued."""

from __future__ import annotations

import tempfile
from pathlib import Path

from preprocessing.errors import PreprocessingError
from preprocessing.executors import Processes
from preprocessing.phantom.anatomy import ensure_tissues
from preprocessing.phantom.documents import PARTICIPANTS, begin, is_ours, write_participants
from preprocessing.phantom.subject import LESION
from preprocessing.phantom.subject_files import MODALITIES, Job, is_complete, write_subject
from preprocessing.progress import progress_bar
from preprocessing.space.atlas import ensure_atlas

HEALTHY = "healthy"


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
        begin(out, MODALITIES[modality])
        missing = [job for job in jobs if not is_complete(job)]
        if missing:
            (out / PARTICIPANTS).unlink(missing_ok=True)
        _write_all(missing, len(jobs), min(workers, len(missing)), progress)
    write_participants(out, jobs)
    return out


def _check(out: Path, healthy: int, lesion: int, seed: int, modality: str) -> None:
    if modality not in MODALITIES:
        raise PreprocessingError(f"unknown modality {modality!r}; available: {', '.join(MODALITIES)}")
    for name, value in (("healthy", healthy), ("lesion", lesion), ("seed", seed)):
        if value < 0:
            raise PreprocessingError(f"{name} {value} must be 0 or more")
    if healthy + lesion == 0:
        raise PreprocessingError("healthy 0 and lesion 0: a cohort needs a subject")
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not is_ours(out, MODALITIES[modality]))):
        raise PreprocessingError(f"{out}: not empty and not a sample cohort of {modality}; choose a new folder")


def _write_all(missing: list[Job], total: int, workers: int, progress: bool) -> None:
    with progress_bar(progress) as bar:
        task = bar.add_task("simulated heads", total=total, completed=total - len(missing))
        for job, name in Processes(workers).run(write_subject, missing):
            if name is None:
                raise PreprocessingError(f"{job.name}: its process was killed (out of memory?); run the command again")
            bar.advance(task)
