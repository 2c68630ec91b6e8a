"""Patient-level splits by seed, whatever the order of listing."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from preprocessing.errors import PreprocessingError
from preprocessing.scan import Scan
from preprocessing.splits import assign

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
        ([lesion("a", split="train")], r"sub-a: the split train is for healthy scans only"),
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


def test_bad_share_is_refused() -> None:
    with pytest.raises(PreprocessingError, match=r"split share test: 1\.5 is not a share in \[0, 1\]"):
        assign(COHORT, {**SHARES, "healthy": {"test": 1.5}}, seed=0)
