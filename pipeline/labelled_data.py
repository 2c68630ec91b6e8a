"""Labelled scans to learn from, for supervised references: a part of the validation patients, never a test scan."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from torch.utils.data import Subset

from pipeline.data import SliceDataset, load_manifest
from pipeline.errors import PipelineError

SPLIT = "validation"


class Patients(NamedTuple):
    """Subjects of the labelled validation part: those to learn from, and those held out for the operating point."""

    training: tuple[str, ...]
    held_out: tuple[str, ...]


def share_patients(dataset_dir: str | Path, share: float = 2 / 3) -> Patients:
    """Share out the patients of the validation part, in an order that depends on their names alone.

    Args:
        share: of the patients to learn from, rounded; at least one patient is on either side.

    Raises:
        PipelineError: fewer than two patients, or a share outside (0, 1).
    """
    if not 0 < share < 1:
        raise PipelineError(f"the share of patients to learn from must be in (0, 1), got {share}")
    subjects = {item["subject"] for item in load_manifest(dataset_dir)["items"] if item["split"] == SPLIT}
    if len(subjects) < 2:
        raise PipelineError(
            f"a supervised method needs at least 2 labelled patients in the split '{SPLIT}' of {dataset_dir}, to learn "
            f"from one and hold one out; found {len(subjects)}"
        )
    ordered = sorted(subjects, key=lambda subject: hashlib.sha256(subject.encode()).hexdigest())
    count = min(max(round(share * len(ordered)), 1), len(ordered) - 1)
    return Patients(tuple(ordered[:count]), tuple(ordered[count:]))


def labelled_slices(dataset_dir: str | Path, subjects: Collection[str]) -> Subset:
    """All slices of the validation scans of `subjects`, with their labels."""
    dataset = SliceDataset(dataset_dir, SPLIT)
    rows = [row for item in dataset.items if item["subject"] in subjects for row in range(*item["rows"])]
    return Subset(dataset, rows)
