"""Nothing of a data set is skipped without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from preprocessing.cohort.survey import Finding, summary, survey, write_findings
from preprocessing.errors import PreprocessingError


def touch(root: Path, *names: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name in names:
        (root / name).touch()
    return root


def test_unknown_missing_and_unlabelled_are_found(tmp_path: Path) -> None:
    touch(tmp_path / "BraTS20_Training_001", *(f"BraTS20_Training_001_{part}.nii" for part in ("flair", "t1", "seg")))
    touch(tmp_path / "BraTS20_Training_002", "BraTS20_Training_002_flair.nii", "BraTS20_Training_002_sge.nii")
    touch(tmp_path / "BraTS20_Training_003", "BraTS20_Training_003_t2.nii", "BraTS20_Training_003_seg.nii")
    scans, findings = survey(["brats"], [tmp_path])
    assert [scan.id for scan in scans] == ["sub-BraTS20Training001", "sub-BraTS20Training002"]
    assert findings == [
        Finding("brats", "no complete label", "sub-BraTS20Training002"),
        Finding("brats", "no FLAIR", "sub-BraTS20Training003"),
        Finding("brats", "unknown file", "BraTS20_Training_002/BraTS20_Training_002_sge.nii"),
    ]


def test_a_table_names_all_its_files_and_the_missing_ones_are_found(tmp_path: Path) -> None:
    touch(tmp_path, "a.nii", "else.nii")
    (tmp_path / "scans.csv").write_text("id,image,healthy\na,a.nii,1\nb,b.nii,1\n")
    assert survey(["table"], [tmp_path])[1] == [Finding("table", "missing file", "b.nii")]


def test_one_modality_of_several(tmp_path: Path) -> None:
    table = tmp_path / "scans.csv"
    table.write_text("id,image,healthy,modality\na,1.nii,1,FLAIR\na,2.nii,1,T1\nb,3.nii,1,T1\n")
    assert [scan.image.name for scan in survey(["table"], [tmp_path])[0]] == ["1.nii"]
    assert [scan.image.name for scan in survey(["table"], [tmp_path], "T1")[0]] == ["2.nii", "3.nii"]
    with pytest.raises(PreprocessingError, match=r"no T2 scan found; available: FLAIR, T1"):
        survey(["table"], [tmp_path], "T2")
    table.write_text("id,image,healthy,modality\na,1.nii,1,FLAIR\nb,2.nii,1,T1\n")
    assert len(survey(["table"], [tmp_path])[0]) == 2  # a T1 scan may become FLAIR-like


def test_summary_and_table_of_findings(tmp_path: Path) -> None:
    findings = [Finding("ixi", "unknown file", name) for name in "abcd"] + [Finding("ixi", "no T1", "x\ty")]
    assert summary(findings) == ["ixi: no T1: 1 (x\ty)", "ixi: unknown file: 4 (a, b, c, …)"]
    write_findings(tmp_path / "findings.tsv", findings[3:])
    assert (tmp_path / "findings.tsv").read_text() == "dataset\twhat\twhere\nixi\tunknown file\td\nixi\tno T1\tx y\n"
    assert summary([]) == []
