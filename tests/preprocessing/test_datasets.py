"""Each adapter finds the true file names of its data set, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from preprocessing.datasets import available, find_scans
from preprocessing.datasets.table import write_table
from preprocessing.errors import PreprocessingError
from preprocessing.scan import Scan


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_registry() -> None:
    assert available() == ["brats2015", "ixi", "mslub", "phantom", "table"]


def test_unknown_data_set_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PreprocessingError, match=r"unknown data set 'brats'; available: brats2015, ixi, mslub, "):
        find_scans("brats", tmp_path)
    with pytest.raises(PreprocessingError, match=r"no scan of the data set 'ixi' found"):
        find_scans("ixi", tmp_path)
    with pytest.raises(PreprocessingError, match=r"nowhere: no such folder"):
        find_scans("ixi", tmp_path / "nowhere")


def test_ixi(tmp_path: Path) -> None:
    touch(tmp_path, "IXI013-HH-1212_T1.nii.gz", "IXI013-HH-1212_DLMUSE.nii.gz", "IXI002-Guys-0828-T1.nii.gz")
    scans = find_scans("ixi", tmp_path)
    assert [scan.id for scan in scans] == ["sub-IXI002", "sub-IXI013"]
    assert all(scan.healthy and not scan.stripped and scan.modality == "T1" and not scan.flair_like for scan in scans)


def test_brats2015(tmp_path: Path) -> None:
    case = "brats_2013_pat0004_1"
    touch(tmp_path, *(f"{case}_{part}.nii.gz" for part in ("Flair_subtrMeanDivStd", "OTMultiClass", "brainmask")))
    (scan,) = find_scans("brats2015", tmp_path)
    assert scan.id == "sub-brats2013pat00041"
    assert (scan.healthy, scan.stripped, scan.labelled) == (False, True, True)
    assert [path.name.removeprefix(case) for path in scan.inputs] == [
        "_Flair_subtrMeanDivStd.nii.gz", "_OTMultiClass.nii.gz", "_brainmask.nii.gz"
    ]  # fmt: skip


def test_mslub_has_two_layouts(tmp_path: Path) -> None:
    touch(tmp_path / "mni", "p07_FLAIR_MNI_brain.nii.gz", "p07_GT_MNI.nii.gz", "p07_T1_MNI_brain.nii.gz")
    raw = ("FLAIR", "T1W", "brainmask_in_FLAIR", "change_gt_in_FLAIR")
    touch(tmp_path / "raw", *(f"patient01_study{k}_{part}.nii.gz" for k in (1, 2) for part in raw))
    touch(tmp_path / "raw", "patient01_study1_FLAIR_to_common_space.txt", "patient01_gt.nii.gz")
    scans = {scan.id: scan for scan in find_scans("mslub", tmp_path)}
    assert list(scans) == ["sub-mslub07", "sub-mslubpatient01_ses-study1", "sub-mslubpatient01_ses-study2"]
    cross = scans.pop("sub-mslub07")
    assert (cross.stripped, cross.labelled, cross.lesion) == (True, True, tmp_path / "mni" / "p07_GT_MNI.nii.gz")
    for scan in scans.values():
        assert (scan.subject, scan.lesion, scan.labelled, scan.stripped) == ("sub-mslubpatient01", None, False, False)


def test_phantom(tmp_path: Path) -> None:
    (tmp_path / "participants.tsv").write_text("participant_id\tgroup\nsub-lesion01\tlesion\nsub-healthy01\thealthy\n")
    healthy, lesion = find_scans("phantom", tmp_path)
    assert healthy.healthy
    assert healthy.simulated
    assert healthy.image == tmp_path / "sub-healthy01" / "anat" / "sub-healthy01_FLAIR.nii.gz"
    folder = tmp_path / "derivatives" / "lesions" / "sub-lesion01" / "anat"
    assert lesion.lesion == folder / "sub-lesion01_label-lesion_mask.nii.gz"
    assert healthy.brain is None  # the truth is never used


def test_phantom_refusals(tmp_path: Path) -> None:
    with pytest.raises(PreprocessingError, match=r"participants\.tsv: no such file"):
        find_scans("phantom", tmp_path)
    (tmp_path / "participants.tsv").write_text("participant_id\tgroup\nsub-a\tsick\n")
    with pytest.raises(PreprocessingError, match=r"group 'sick' of 'sub-a'; it must be one of healthy, lesion"):
        find_scans("phantom", tmp_path)


def table(root: Path, text: str) -> Path:
    (root / "scans.csv").write_text(text)
    return root


def test_table_defaults_and_paths(tmp_path: Path) -> None:
    table(tmp_path, "id,image,healthy,lesion\npatient_7,a/b.nii.gz,no,a/l.nii.gz\nsub-x_ses-1,c.nii,TRUE,\n")
    first, second = find_scans("table", tmp_path)
    assert (first.id, first.subject, first.modality, first.labelled) == ("sub-patient7", "sub-patient7", "FLAIR", True)
    assert first.image == tmp_path / "a" / "b.nii.gz"
    assert (second.id, second.subject, second.healthy, second.lesion) == ("sub-x_ses-1", "sub-x", True, None)
    assert find_scans("table", tmp_path / "scans.csv") == [first, second]


def test_table_unlabelled_lesion_scan(tmp_path: Path) -> None:
    (scan,) = find_scans("table", table(tmp_path, "id,image,healthy\na,a.nii,no\n"))
    assert (scan.healthy, scan.labelled) == (False, False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,image\na,a.nii\n", r"column 'healthy' is missing; needed: id, image, healthy"),
        ("id,image,healthy,colour\na,a.nii,1,red\n", r"unknown column 'colour'; available: id, subject, "),
        ("id,image,healthy\na,a.nii,maybe\n", r"line 2: healthy 'maybe'; it must be one of true, yes, 1, "),
        ("id,image,healthy\na,,1\n", r"line 2: no value for 'image'"),
        ("id,image,healthy\na,../a.nii,1\n", r"outside the folder .*; paths may not leave it"),
        ("id,image,healthy\na,/etc/a.nii,1\n", r"outside the folder .*; paths may not leave it"),
        ("id,image,healthy,modality\na,a.nii,1,PET\n", r"line 2: sub-a: unknown modality 'PET'"),
    ],
)
def test_table_refusals(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PreprocessingError, match=message):
        find_scans("table", table(tmp_path, text))


def test_table_round_trip(tmp_path: Path, head: Callable[..., Scan]) -> None:
    scans = [
        head("sub-a_ses-1", lesion=True, masked=True, split="validation"),
        head("sub-b", modality="T1", flair_like=True),
    ]
    write_table(scans, tmp_path / "raw" / "scans.csv", tmp_path / "raw")
    assert find_scans("table", tmp_path / "raw") == scans
    with pytest.raises(PreprocessingError, match=r"outside the folder"):
        write_table(scans, tmp_path / "scans.csv", tmp_path / "elsewhere")
