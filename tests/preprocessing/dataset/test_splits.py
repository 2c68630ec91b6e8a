"""Patient-level splits by seed, whatever the order of listing."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from preprocessing.dataset.splits import assign, read_split
from preprocessing.errors import PreprocessingError
from preprocessing.scan import Scan

SHARES = {"healthy": {"calibration": 0.167, "test": 0.167}, "lesion": {"validation": 0.35}}
FILE = Path("file.nii.gz")


def healthy(name: str, **fields: Any) -> Scan:
    return Scan(f"sub-{name}", f"sub-{name.split('_')[0]}", "FLAIR", FILE, healthy=True, **fields)


def lesion(name: str, **fields: Any) -> Scan:
    return Scan(f"sub-{name}", f"sub-{name.split('_')[0]}", "FLAIR", FILE, lesion=FILE, **fields)


COHORT = [healthy(f"h{i}") for i in range(24)] + [lesion(f"l{i}") for i in range(14)]


def test_shares_of_the_sample_cohort() -> None:
    split = assign(COHORT, SHARES, seed=0)
    counts = Counter((split[scan.id], scan.healthy) for scan in COHORT)
    assert counts == {
        ("train", True): 16, ("calibration", True): 4, ("test", True): 4, ("validation", False): 5, ("test", False): 9
    }  # fmt: skip


def test_order_of_listing_does_not_matter() -> None:
    shuffled = random.Random(3).sample(COHORT, len(COHORT))
    assert assign(shuffled, SHARES, seed=1) == assign(COHORT, SHARES, seed=1)
    assert assign(COHORT, SHARES, seed=2) != assign(COHORT, SHARES, seed=1)


def test_all_scans_of_a_subject_go_together() -> None:
    scans = [healthy(f"h{i}_ses-{k}") for i in range(12) for k in range(3)]
    split = assign(scans, SHARES, seed=0)
    assert all(len({split[s.id] for s in scans if s.subject == subject}) == 1 for subject in {s.subject for s in scans})


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_subjects_train_first(count: int) -> None:
    split = assign([healthy(f"h{i}") for i in range(count)], SHARES, seed=0)
    assert Counter(split.values())["train"] == 1


def test_stated_split_is_kept_and_the_others_do_not_mind() -> None:
    stated = [replace(COHORT[0], split="test"), *COHORT[1:]]
    assert assign(stated, SHARES, seed=0)["sub-h0"] == "test"
    assert Counter(assign(stated, SHARES, seed=0).values())["test"] == 14


def test_a_lesion_without_a_complete_label_is_no_test_scan_unless_stated() -> None:
    scan = Scan("sub-u", "sub-u", "FLAIR", FILE, labelled=False)
    assert assign([*COHORT, scan], SHARES, seed=0)["sub-u"] == "unlabelled"
    assert assign([*COHORT, replace(scan, split="test")], SHARES, seed=0)["sub-u"] == "test"


@pytest.mark.parametrize(
    ("scans", "message"),
    [
        (
            [healthy("a_ses-1", split="train"), healthy("a_ses-2", split="test")],
            r"subject 'sub-a' is in the splits train and test",
        ),
        (
            [Scan("sub-a", "sub-a", "FLAIR", FILE, labelled=False, split="train")],
            r"sub-a: the split train is for labelled scans only",
        ),
        ([lesion("a", split="calibration")], r"sub-a: the split calibration is for healthy scans only"),
        (
            [Scan("sub-a", "sub-a", "FLAIR", FILE, labelled=False, split="validation")],
            r"sub-a: the split validation is for labelled scans only",
        ),
    ],
)
def test_splits_that_contradict_the_scans_are_refused(scans: list[Scan], message: str) -> None:
    with pytest.raises(PreprocessingError, match=message):
        assign(scans, SHARES, seed=0)


def test_patients_train_by_share_or_file_and_are_then_in_no_other_part() -> None:
    sessions = [lesion(f"p{i}_ses-{k}") for i in range(10) for k in range(2)]
    shares = {**SHARES, "lesion": {"validation": 0.2, "train": 0.5}}
    for seed in range(5):
        split = assign(sessions, shares, seed)
        parts = {scan.subject: {split[s.id] for s in sessions if s.subject == scan.subject} for scan in sessions}
        assert Counter(part for (part,) in parts.values()) == {"validation": 2, "train": 5, "test": 3}
    stated = [replace(scan, split="train") if scan.subject == "sub-p3" else scan for scan in sessions]
    assert {s for s, part in assign(stated, SHARES, seed=0).items() if part == "train"} == {
        "sub-p3_ses-0", "sub-p3_ses-1"
    }  # fmt: skip
    with pytest.raises(PreprocessingError, match=r"sub-p\d_ses-0: the split calibration is for healthy scans only"):
        assign(sessions, {**SHARES, "lesion": {"calibration": 0.5}}, seed=0)


def test_bad_share_is_refused() -> None:
    with pytest.raises(PreprocessingError, match=r"split share test: 1\.5 is not a share in \[0, 1\]"):
        assign(COHORT, {**SHARES, "healthy": {"test": 1.5}}, seed=0)


@pytest.mark.parametrize(("name", "separator"), [("split.csv", ","), ("split.tsv", "\t")])
def test_split_from_a_file(tmp_path: Path, name: str, separator: str) -> None:
    path, scans = tmp_path / name, [healthy("a_ses-1"), healthy("a_ses-2"), healthy("b"), lesion("c")]
    rows = [("subject", "split"), ("sub-a", "test"), ("b", "train"), ("c", "validation"), ("b", "train")]
    path.write_text("".join(separator.join(row) + "\n" for row in rows))
    expected = {"sub-a_ses-1": "test", "sub-a_ses-2": "test", "sub-b": "train", "sub-c": "validation"}
    for seed in (0, 1):
        assert assign(read_split(path, scans), SHARES, seed) == expected


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("sub-a,train\nsub-x,test\n", r"split\.csv: no scan of sub-x"),
        ("sub-a,train\n", r"split\.csv: no split for sub-b, sub-c, sub-d and 1 more"),
        ("sub-a,train\na,test\n", r"split\.csv: 'a' is in train and test; choose one"),
        ("sub-a,dev\n", r"line 2: subject 'sub-a', split 'dev'; it needs a subject and one of train, calibration, "),
        (",train\n", r"line 2: subject '', split 'train'; it needs a subject"),
    ],
)
def test_split_files_that_are_refused(tmp_path: Path, rows: str, message: str) -> None:
    path = tmp_path / "split.csv"
    with pytest.raises(PreprocessingError, match=r"split\.csv: no such file; its columns would be subject and split"):
        read_split(path, [])
    path.write_text(f"subject,split\n{rows}")
    with pytest.raises(PreprocessingError, match=message):
        read_split(path, [healthy(name) for name in "abcde"])
