"""Who is in which part: at patient level, by seed, whatever the order of listing, or from a file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from preprocessing.errors import PreprocessingError
from preprocessing.io.text import read_table
from preprocessing.scan import SPLITS, Scan, bids_id

Shares = Mapping[str, Mapping[str, float]]


def assign(scans: Sequence[Scan], shares: Shares, seed: int) -> dict[str, str]:
    """The split of each scan by its id.

    A subject whose scans state a split goes there. The others are ordered by SHA-256 of `seed:subject`: of n healthy
    subjects the first `round(n · calibration)`, but at least one, become `calibration`, the next ones `test`, the rest
    `train`; of the labelled lesion subjects the first become `validation`, the rest `test`; a share `train` puts some
    of them there, for training on their lesion-free slices. Scans of lesions without a complete label become
    `unlabelled`, which no figure is computed on, since their unmarked voxels are not normal.

    Args:
        scans: all scans of the data set.
        shares: `{"healthy": {"calibration": p, "test": p}, "lesion": {"validation": p, "train": p}}` in [0, 1].
        seed: of the order.

    Raises:
        PreprocessingError: a subject states two splits, or goes to one that its status excludes.
    """
    stated = _stated(scans)
    free = [scan for scan in scans if scan.subject not in stated]
    healthy = sorted({s.subject for s in free if s.healthy}, key=lambda name: _order(seed, name))
    unlabelled = {s.subject for s in free if not s.labelled}
    lesion = sorted({s.subject for s in free if not s.healthy} - unlabelled, key=lambda name: _order(seed, name))
    split = stated | dict.fromkeys(unlabelled, "unlabelled")
    split |= _cut(healthy, shares["healthy"], "train") | _cut(lesion, shares["lesion"], "test")
    _check(scans, split)
    return {scan.id: split[scan.subject] for scan in scans}


def _check(scans: Sequence[Scan], split: Mapping[str, str]) -> None:
    for scan in scans:
        part = split[scan.subject]
        if part == "calibration" and not scan.healthy:
            raise PreprocessingError(f"{scan.id}: the split {part} is for healthy scans only")
        if part in ("train", "validation") and not scan.labelled:
            raise PreprocessingError(f"{scan.id}: the split {part} is for labelled scans only")


def read_split(path: Path, scans: Sequence[Scan]) -> list[Scan]:
    """`scans` with the splits that a file states: CSV, or TSV by its name, with the columns `subject` and `split`.

    Raises:
        PreprocessingError: no such file or column, an unknown split, a subject twice with two splits, a subject that no
            scan has, or one that the file lacks.
    """
    stated = _read(path)
    subjects = {scan.subject for scan in scans}
    if unknown := sorted(set(stated) - subjects):
        raise PreprocessingError(f"{path}: no scan of {_names(unknown)}")
    if missing := sorted(subjects - set(stated)):
        raise PreprocessingError(f"{path}: no split for {_names(missing)}")
    return [replace(scan, split=stated[scan.subject]) for scan in scans]


def _read(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise PreprocessingError(f"{path}: no such file; its columns would be subject and split")
    stated: dict[str, str] = {}
    _, rows = read_table(path)
    for row in rows:
        subject, split = row.values.get("subject", ""), row.values.get("split", "")
        if not subject or split not in SPLITS:
            rule = f"a subject and one of {', '.join(SPLITS)}"
            raise PreprocessingError(f"{path}, line {row.line}: subject {subject!r}, split {split!r}; it needs {rule}")
        if stated.setdefault(bids_id(subject), split) != split:
            raise PreprocessingError(f"{path}: {subject!r} is in {stated[bids_id(subject)]} and {split}; choose one")
    return stated


def _names(subjects: Sequence[str], most: int = 3) -> str:
    more = f" and {len(subjects) - most} more" if len(subjects) > most else ""
    return ", ".join(subjects[:most]) + more


def _stated(scans: Sequence[Scan]) -> dict[str, str]:
    stated: dict[str, str] = {}
    for scan in scans:
        if scan.split is None:
            continue
        if stated.setdefault(scan.subject, scan.split) != scan.split:
            raise PreprocessingError(
                f"subject {scan.subject!r} is in the splits {stated[scan.subject]} and {scan.split}; "
                "all scans of a subject go to one split"
            )
    return stated


def _cut(subjects: Sequence[str], shares: Mapping[str, float], rest: str) -> dict[str, str]:
    split: dict[str, str] = {}
    left = list(subjects)
    for name, share in shares.items():
        if name not in SPLITS or not 0 <= share <= 1:
            raise PreprocessingError(f"split share {name}: {share} is not a share in [0, 1] of {', '.join(SPLITS)}")
        count = max(round(len(subjects) * share), 1 if share > 0 else 0)
        count = min(count, max(len(left) - 1, 0))  # the rest keeps at least one subject
        split |= dict.fromkeys(left[:count], name)
        left = left[count:]
    return split | dict.fromkeys(left, rest)


def _order(seed: int, subject: str) -> str:
    return hashlib.sha256(f"{seed}:{subject}".encode()).hexdigest()
