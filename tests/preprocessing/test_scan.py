"""What a scan may say about itself, and what a list of scans may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from preprocessing.errors import PreprocessingError
from preprocessing.scan import Scan, bids_id, check_scans

IMAGE = Path("image.nii.gz")


def scan(name: str = "sub-a", **fields: Any) -> Scan:
    return Scan(name, **{"subject": name.split("_")[0], "modality": "FLAIR", "image": IMAGE, "healthy": True, **fields})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "a"}, r"scan id 'a' is not sub-"),
        ({"name": "sub-a/../../b"}, r"scan id 'sub-a/../../b' is not sub-"),
        ({"name": "sub-a_ses-1_x"}, r"is not sub-"),
        ({"modality": "PET"}, r"sub-a: unknown modality 'PET'; available: FLAIR, T1, T2, CT"),
        ({"split": "dev"}, r"unknown split 'dev'; available: train, calibration, validation, test, unlabelled"),
        ({"lesion": IMAGE}, r"a healthy scan has no lesion label"),
        ({"labelled": False}, r"a healthy scan has no lesion label and counts as labelled"),
        ({"healthy": False}, r"a labelled scan that is not healthy needs a lesion label file"),
        ({"flair_like": True}, r"flair_like is for T1 scans, this one is FLAIR"),
    ],
)
def test_scan_rules(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(PreprocessingError, match=message):
        scan(**fields)


def test_flair_like_scan_has_flair_contrast() -> None:
    assert scan(modality="T1", flair_like=True).contrast == "FLAIR"
    assert scan(modality="T1").contrast == "T1"


@pytest.mark.parametrize(
    ("name", "session", "expected"),
    [
        ("patient_7", None, "sub-patient7"),
        ("sub-07", None, "sub-07"),
        ("IXI013-HH", "study 2", "sub-IXI013HH_ses-study2"),
    ],
)
def test_bids_id(name: str, session: str | None, expected: str) -> None:
    assert bids_id(name, session) == expected


@pytest.mark.parametrize(
    ("scans", "message"),
    [
        ([], r"no scans found"),
        ([scan("sub-a"), scan("sub-b"), scan("sub-a")], r"duplicate subject: the scan id 'sub-a' is there 2 times"),
        ([scan("sub-a"), scan("sub-A")], r"duplicate subject: the scan id 'sub-a' is there 2 times"),
        (
            [scan("sub-a_ses-1"), scan("sub-a_ses-2", healthy=False, lesion=IMAGE)],
            r"subject 'sub-a' has both healthy and lesion scans",
        ),
        ([scan("sub-a"), scan("sub-b", modality="T1")], r"one data set has one modality, these scans have FLAIR, T1"),
    ],
)
def test_lists_that_are_refused(scans: list[Scan], message: str) -> None:
    with pytest.raises(PreprocessingError, match=message):
        check_scans(scans)


def test_sessions_of_one_subject_are_not_duplicates() -> None:
    check_scans([scan("sub-a_ses-1"), scan("sub-a_ses-2"), scan("sub-b")])


@pytest.mark.parametrize("named", ["image.hdr", "image.img"])
def test_a_pair_has_two_files(tmp_path: Path, named: str) -> None:
    for name in ("image.hdr", "image.img", "image.json", "other.img"):
        (tmp_path / name).touch()
    found = Scan("sub-a", "sub-a", "FLAIR", tmp_path / named, brain=tmp_path / "other.img", healthy=True).inputs
    assert [path.name for path in found] == ["image.hdr", "image.img", "other.img"]
