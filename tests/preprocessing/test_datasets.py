"""Each adapter finds the true file names of its data set, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from preprocessing.cohort.survey import Finding, survey
from preprocessing.datasets import available, find_all, find_scans
from preprocessing.datasets.table import write_table
from preprocessing.errors import PreprocessingError
from preprocessing.scan import Scan


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def nothing_unknown(name: str, root: Path) -> bool:
    return not [finding for finding in survey([name], [root])[1] if finding.what in ("unknown file", "missing file")]


def test_registry() -> None:
    assert available() == [
        "bids", "brats", "brats2015", "dicom", "ixi", "msisbi2015", "mslub", "phantom", "physionet_ich", "table",
        "wmh2017",
    ]  # fmt: skip


def test_unknown_data_set_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PreprocessingError, match=r"unknown data set 'brast'; available: bids, brats, brats2015, "):
        find_scans("brast", tmp_path)
    with pytest.raises(PreprocessingError, match=r"no scan of the data set 'ixi' found"):
        find_scans("ixi", tmp_path)
    with pytest.raises(PreprocessingError, match=r"nowhere: no such folder"):
        find_scans("ixi", tmp_path / "nowhere")


def test_ixi(tmp_path: Path) -> None:
    touch(tmp_path, "IXI013-HH-1212_T1.nii.gz", "IXI013-HH-1212_DLMUSE.nii.gz", "IXI-T1/IXI002-Guys-0828-T1.nii.gz")
    touch(tmp_path, "IXI-T2/IXI002-Guys-0828-T2.nii.gz", "IXI-PD/IXI002-Guys-0828-PD.nii.gz", "IXI.xls")
    touch(tmp_path, "IXI-DTI/IXI002-Guys-0828-DTI-00.nii.gz", "IXI-MRA/IXI002-Guys-0828-MRA.nii.gz")
    assert [scan.image.name for scan in find_scans("ixi", tmp_path, "T2")] == ["IXI002-Guys-0828-T2.nii.gz"]
    assert nothing_unknown("ixi", tmp_path)
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


PARTS = ("flair", "t1", "t1ce", "t2", "seg")


def test_brats_to_2021(tmp_path: Path) -> None:
    case, validation = "BraTS20_Training_001", "BraTS20_Validation_001"
    touch(tmp_path / "HGG" / "BraTS19_CBICA_AAB_1", *(f"BraTS19_CBICA_AAB_1_{part}.nii.gz" for part in PARTS))
    touch(tmp_path / "LGG" / "BraTS19_TCIA09_141_1", *(f"BraTS19_TCIA09_141_1_{part}.nii.gz" for part in PARTS))
    touch(tmp_path / case, *(f"{case}_{part}.nii" for part in PARTS))
    touch(tmp_path / validation, *(f"{validation}_{part}.nii" for part in PARTS[:-1]))
    touch(tmp_path / "BraTS2021_00000", *(f"BraTS2021_00000_{part}.nii.gz" for part in PARTS))
    touch(tmp_path, "name_mapping.csv", "survival_info.csv")
    scans = {scan.id: scan for scan in find_scans("brats", tmp_path)}
    assert list(scans) == [
        "sub-BraTS19CBICAAAB1", "sub-BraTS19TCIA091411", "sub-BraTS202100000", "sub-BraTS20Training001",
        "sub-BraTS20Validation001",
    ]  # fmt: skip
    assert not scans.pop("sub-BraTS20Validation001").labelled
    for scan in scans.values():
        assert scan.stripped
        assert scan.labelled
        assert scan.lesion == Path(str(scan.image).replace("_flair.nii", "_seg.nii"))
    assert find_scans("brats", tmp_path, "T1")[0].image.name == "BraTS19_CBICA_AAB_1_t1.nii.gz"
    assert nothing_unknown("brats", tmp_path)


def test_brats_2020_case_355_has_its_misnamed_label(tmp_path: Path) -> None:
    touch(tmp_path / "BraTS20_Training_355", "BraTS20_Training_355_flair.nii", "W39_1998.09.19_Segm.nii")
    (scan,) = find_scans("brats", tmp_path)
    assert scan.lesion == tmp_path / "BraTS20_Training_355" / "W39_1998.09.19_Segm.nii"


def test_brats_from_2023(tmp_path: Path) -> None:
    for case in ("BraTS-GLI-00000-000", "BraTS-GLI-00000-001", "BraTS-MET-00086-000"):
        touch(tmp_path / case, *(f"{case}-{part}.nii.gz" for part in ("t1c", "t1n", "t2f", "t2w", "seg")))
    scans = find_scans("brats", tmp_path)
    assert [scan.id for scan in scans] == [
        "sub-BraTSGLI00000_ses-000", "sub-BraTSGLI00000_ses-001", "sub-BraTSMET00086_ses-000"
    ]  # fmt: skip
    assert [scan.subject for scan in scans[:2]] == ["sub-BraTSGLI00000"] * 2
    assert scans[0].lesion == tmp_path / "BraTS-GLI-00000-000" / "BraTS-GLI-00000-000-seg.nii.gz"
    assert find_scans("brats", tmp_path, "T2")[0].image.name == "BraTS-GLI-00000-000-t2w.nii.gz"
    assert nothing_unknown("brats", tmp_path)


def test_mslub_in_the_mni_space(tmp_path: Path) -> None:
    parts = ("FLAIR", "T1", "T2", "T1POST")
    touch(tmp_path, "p07_GT_MNI.nii.gz", *(f"p07_{part}_MNI_brain.nii.gz" for part in parts))
    (scan,) = find_scans("mslub", tmp_path)
    assert (scan.id, scan.modality, scan.stripped, scan.labelled) == ("sub-mslub07", "FLAIR", True, True)
    assert scan.lesion == tmp_path / "p07_GT_MNI.nii.gz"
    assert nothing_unknown("mslub", tmp_path)


@pytest.mark.parametrize("prefix", ["patient01_", ""])
def test_mslub_cross_sectional(tmp_path: Path, prefix: str) -> None:
    folder = tmp_path / "patient01"
    modalities = ("FLAIR", "T1W", "T1WKS", "T2W")
    touch(folder, *(f"{prefix}{part}.nii.gz" for part in (*modalities, "brainmask", "consensus_gt")))
    touch(folder, f"{prefix}T1W_to_FLAIR.txt", *(f"raw/{prefix}{part}.nii.gz" for part in modalities))
    (scan,) = find_scans("mslub", tmp_path)
    assert (scan.id, scan.image.parent, scan.stripped) == ("sub-mslub01", folder, False)
    assert scan.lesion == folder / f"{prefix}consensus_gt.nii.gz"
    (scan,) = find_scans("mslub", tmp_path, "T2")
    assert scan.lesion == folder / f"{prefix}consensus_gt.nii.gz"
    assert nothing_unknown("mslub", tmp_path)


@pytest.mark.parametrize("prefix", ["patient01_", "patient01/", "patient01/patient01_"])
def test_mslub_longitudinal(tmp_path: Path, prefix: str) -> None:
    parts = ("FLAIR", "T1W", "brainmask_in_FLAIR", "change_gt_in_FLAIR")
    touch(tmp_path, *(f"{prefix}study{k}_{part}.nii.gz" for k in (1, 2) for part in parts))
    touch(tmp_path, f"{prefix}study1_FLAIR_to_common_space.txt", f"{prefix}gt.nii.gz")
    scans = find_scans("mslub", tmp_path)
    assert [scan.id for scan in scans] == ["sub-mslubpatient01_ses-study1", "sub-mslubpatient01_ses-study2"]
    for scan in scans:
        assert (scan.subject, scan.lesion, scan.labelled, scan.stripped) == ("sub-mslubpatient01", None, False, False)
    assert [finding for finding in survey(["mslub"], [tmp_path])[1] if finding.what == "unknown file"] == [
        Finding("mslub", "unknown file", "patient01/gt.nii.gz")
    ] * (prefix == "patient01/")


def test_msisbi2015(tmp_path: Path) -> None:
    parts = ("flair", "mprage", "pd", "t2")
    for name, masks in (("training01_01", 2), ("training01_02", 2), ("test01_01", 0)):
        folder = tmp_path / name.split("_")[0]
        touch(folder / "preprocessed", *(f"{name}_{part}_pp.nii" for part in parts))
        touch(folder / "orig", *(f"{name}_{part}.nii.gz" for part in parts))
        touch(folder / "masks", *(f"{name}_mask{k + 1}.nii" for k in range(masks)))
    test, first, second = find_scans("msisbi2015", tmp_path)
    assert (test.id, test.labelled, test.stripped) == ("sub-msisbitest01_ses-01", False, True)
    assert (first.id, first.subject) == ("sub-msisbitraining01_ses-01", "sub-msisbitraining01")
    assert first.image.name == "training01_01_flair_pp.nii"
    assert first.lesion == tmp_path / "training01" / "masks" / "training01_01_mask1.nii"
    assert second.id == "sub-msisbitraining01_ses-02"
    assert nothing_unknown("msisbi2015", tmp_path)
    first.lesion.unlink()
    assert (
        Finding("msisbi2015", "missing file", "training01/masks/training01_01_mask1.nii")
        in survey(["msisbi2015"], [tmp_path])[1]
    )


def test_wmh2017(tmp_path: Path) -> None:
    sites = ("Utrecht/0", "Singapore/50", "Amsterdam/GE3T/100", "Amsterdam/Philips_VU .PETMR_01./160")
    for site in sites:
        touch(
            tmp_path / site, *(f"{part}/{name}.nii.gz" for part in ("pre", "orig") for name in ("FLAIR", "T1", "3DT1"))
        )
        touch(tmp_path / site, "orig/reg_3DT1_to_FLAIR.txt", "wmh.nii.gz")
    touch(tmp_path, "additional_annotations/observer_o3/training/Utrecht/0/result.nii.gz", "readme.pdf")
    scans = {scan.id: scan for scan in find_scans("wmh2017", tmp_path)}
    assert sorted(scans) == [
        "sub-wmhAmsterdamGE3T100", "sub-wmhAmsterdamPhilipsVUPETMR01160", "sub-wmhSingapore50", "sub-wmhUtrecht0"
    ]  # fmt: skip
    scan = scans["sub-wmhUtrecht0"]
    assert scan.image == tmp_path / "Utrecht" / "0" / "pre" / "FLAIR.nii.gz"
    assert (scan.lesion, scan.stripped) == (tmp_path / "Utrecht" / "0" / "wmh.nii.gz", False)
    assert [scan.id for scan in find_scans("wmh2017", tmp_path / "Utrecht")] == ["sub-wmhUtrecht0"]
    assert nothing_unknown("wmh2017", tmp_path)


COLUMNS = "Intraventricular,Intraparenchymal,Subarachnoid,Epidural,Subdural,No_Hemorrhage,Fracture_Yes_No"
DIAGNOSIS = f"""PatientNumber,SliceNumber,{COLUMNS}
49,1,0,0,0,0,0,1,0
49,2,0,1,0,0,0,0,0
54,1,0,0,0,0,0,1,1
"""


def test_physionet_ich(tmp_path: Path) -> None:
    touch(tmp_path, "ct_scans/049.nii", "masks/049.nii", "ct_scans/054.nii", "masks/054.nii", "LICENSE.txt")
    touch(tmp_path, "Patient_demographics.csv", "split_raw_data.py", "ct_ich.yml", "SHA256SUMS.txt")
    (tmp_path / "hemorrhage_diagnosis_raw_ct.csv").write_text(DIAGNOSIS)
    bleeding, healthy = find_scans("physionet_ich", tmp_path)
    assert (bleeding.id, bleeding.modality, bleeding.healthy) == ("sub-ich049", "CT", False)
    assert bleeding.lesion == tmp_path / "masks" / "049.nii"
    assert (healthy.id, healthy.healthy, healthy.lesion) == ("sub-ich054", True, None)
    assert nothing_unknown("physionet_ich", tmp_path)


def test_physionet_ich_refusals(tmp_path: Path) -> None:
    touch(tmp_path / "1.2", "Patients_CT/049/brain/1.jpg", "Patients_CT/049/bone/1.jpg")
    with pytest.raises(PreprocessingError, match=r"JPEG slices without Hounsfield units; version 1\.3\.1 has ct_scans"):
        find_scans("physionet_ich", tmp_path / "1.2")
    touch(tmp_path, "ct_scans/060.nii")
    with pytest.raises(PreprocessingError, match=r"raw_ct\.csv: no such file; it says which patients have no"):
        find_scans("physionet_ich", tmp_path)
    table = tmp_path / "hemorrhage_diagnosis_raw_ct.csv"
    table.write_text(DIAGNOSIS)
    with pytest.raises(PreprocessingError, match=r"raw_ct\.csv: no row of patient 60, whose scan is 060\.nii"):
        find_scans("physionet_ich", tmp_path)
    table.write_text("PatientNumber,SliceNumber\n60,1\n")
    with pytest.raises(PreprocessingError, match=r"line 2: PatientNumber and No_Hemorrhage must be whole numbers"):
        find_scans("physionet_ich", tmp_path)


def bids(root: Path, participants: str) -> Path:
    anat = "sub-01/ses-a/anat/sub-01_ses-a"
    touch(root, f"{anat}_FLAIR.nii.gz", f"{anat}_acq-3d_FLAIR.nii.gz", f"{anat}_T1w.nii.gz")
    touch(root, f"{anat}_ce-gadolinium_T1w.nii.gz", "sub-02/anat/sub-02_run-1_FLAIR.nii.gz", "dataset_description.json")
    touch(root, "sub-03/anat/sub-03_FLAIR.nii.gz", "sub-03/func/sub-03_task-rest_bold.nii.gz", "README")
    masks = root / "derivatives" / "masks"
    touch(masks, f"{anat}_label-lesion_mask.nii.gz", f"{anat}_space-MNI_label-lesion_mask.nii.gz")
    touch(masks, f"{anat}_label-brain_mask.nii.gz", "sub-02/anat/sub-02_space-MNI_FLAIR.nii.gz")
    (root / "participants.tsv").write_text(participants)
    return root


def test_bids(tmp_path: Path) -> None:
    bids(tmp_path, "participant_id\tgroup\nsub-01\tpatient\nsub-02\tControl\nsub-03\tn/a\n")
    sidecar = tmp_path / "sub-01" / "ses-a" / "anat" / "sub-01_ses-a_FLAIR.json"
    sidecar.write_text('{"SkullStripped": true, "Manufacturer": "x"}')
    patient, control, unknown = find_scans("bids", tmp_path)
    assert (patient.id, patient.subject, patient.healthy) == ("sub-01_ses-a", "sub-01", False)
    assert (patient.image.name, patient.stripped) == ("sub-01_ses-a_FLAIR.nii.gz", True)
    assert patient.lesion is not None
    assert patient.lesion.name == "sub-01_ses-a_label-lesion_mask.nii.gz"
    assert (control.id, control.healthy, control.image.name) == ("sub-02", True, "sub-02_run-1_FLAIR.nii.gz")
    assert (unknown.healthy, unknown.labelled) == (False, False)
    assert [scan.image.name for scan in find_scans("bids", tmp_path, "T1")] == ["sub-01_ses-a_T1w.nii.gz"]
    assert [finding for finding in survey(["bids"], [tmp_path])[1] if finding.what != "no complete label"] == [
        Finding("bids", "unknown file", f"sub-01/ses-a/anat/sub-01_ses-a_{name}.nii.gz")
        for name in ("acq-3d_FLAIR", "ce-gadolinium_T1w")
    ]


def test_bids_reads_the_sample_cohort_as_its_own_adapter_does(tmp_path: Path) -> None:
    touch(tmp_path, *(f"sub-{name}/anat/sub-{name}_FLAIR.nii.gz" for name in ("healthy01", "lesion01")))
    touch(tmp_path, "derivatives/lesions/sub-lesion01/anat/sub-lesion01_label-lesion_mask.nii.gz")
    touch(tmp_path, "derivatives/truth/sub-lesion01/anat/sub-lesion01_desc-brain_mask.nii.gz")
    for path in tmp_path.glob("sub-*/anat/*.nii.gz"):
        Path(str(path).replace(".nii.gz", ".json")).write_text('{"Simulated": true}')
    (tmp_path / "participants.tsv").write_text("participant_id\tgroup\nsub-lesion01\tlesion\nsub-healthy01\thealthy\n")
    assert find_scans("bids", tmp_path) == find_scans("phantom", tmp_path)


def test_bids_refusals(tmp_path: Path) -> None:
    with pytest.raises(PreprocessingError, match=r"participants\.tsv: no such file; .* healthy, group, diagnosis"):
        find_scans("bids", tmp_path)
    bids(tmp_path, "participant_id\tage\nsub-01\t3\n")
    with pytest.raises(PreprocessingError, match=r"no column that says who is healthy; one of healthy, group, "):
        find_scans("bids", tmp_path)
    bids(tmp_path, "participant_id\thealthy\nsub-01\tyes\n")
    with pytest.raises(PreprocessingError, match=r"a lesion mask of sub-01, who is healthy by participants\.tsv"):
        find_scans("bids", tmp_path)
    bids(tmp_path, "participant_id\thealthy\nsub-01\tno\n")
    touch(tmp_path, "derivatives/second/sub-01/ses-a/anat/sub-01_ses-a_label-lesion_mask.nii.gz")
    with pytest.raises(PreprocessingError, match=r"sub-01_ses-a: two lesion masks, .*masks.* and .*second.*; keep one"):
        find_scans("bids", tmp_path)


def small_bids(root: Path, images: Sequence[str], masks: Sequence[str] = (), group: str = "patient") -> Path:
    touch(root, *(f"sub-1/anat/sub-1_{name}.nii.gz" for name in images))
    touch(root / "derivatives" / "m", *(f"sub-1/anat/sub-1_{name}.nii.gz" for name in masks))
    (root / "participants.tsv").write_text(f"participant_id\tgroup\nsub-1\t{group}\n")
    return root


@pytest.mark.parametrize(
    ("images", "masks", "image", "mask"),  # their names after sub-1_, masks without _label-lesion
    [
        (["FLAIR"], ["mask"], "FLAIR", "mask"),
        (["run-1_FLAIR", "run-2_FLAIR"], ["run-2_mask"], "run-1_FLAIR", None),
        (["run-1_FLAIR"], ["run-1_mask", "run-2_mask"], "run-1_FLAIR", "run-1_mask"),
        (["acq-3d_FLAIR"], ["mask", "acq-3d_mask"], "acq-3d_FLAIR", "acq-3d_mask"),
        (["FLAIR", "T1w"], ["acq-FLAIR_mask", "acq-T1w_mask"], "FLAIR", "acq-FLAIR_mask"),
        (["FLAIR"], ["acq-3d_mask", "acq-2d_mask"], "FLAIR", None),
        (["FLAIR"], ["FLAIR_roi"], "FLAIR", "FLAIR_roi"),
        (["FLAIR"], ["T1w_mask"], "FLAIR", None),
        (["part-mag_FLAIR", "part-phase_FLAIR"], [], "part-mag_FLAIR", None),
    ],
)  # fmt: skip
def test_bids_pairs_by_all_entities_and_lists_masks_of_no_image(
    tmp_path: Path, images: list[str], masks: list[str], image: str, mask: str | None
) -> None:
    named = {name: re.sub("(mask|roi)$", r"label-lesion_\1", name) for name in masks}
    scans, found = survey(["bids"], [small_bids(tmp_path, images, [*named.values()])])
    (scan,) = (scan for scan in scans if scan.modality == "FLAIR")
    assert scan.image.name == f"sub-1_{image}.nii.gz"
    assert (scan.lesion and scan.lesion.name) == (mask and f"sub-1_{named[mask]}.nii.gz")
    assert scan.labelled == (mask is not None)
    unused = {Path(f.where).name for f in found if f.what == "lesion mask of no image"}
    assert unused >= {f"sub-1_{named[name]}.nii.gz" for name in masks if name != mask and "T1w" not in name}


@pytest.mark.parametrize("image", ["ce-gadolinium_FLAIR", "part-phase_FLAIR"])
def test_bids_says_why_it_reads_nothing(tmp_path: Path, image: str) -> None:
    with pytest.raises(PreprocessingError, match=r"none to read; those after contrast agent \(ce-\) and of phase"):
        find_scans("bids", small_bids(tmp_path, [image]))


@pytest.mark.parametrize("group", ["Control", "Healthy Controls", "HealthyControl", "HC", "healthy volunteer"])
def test_bids_knows_words_for_healthy(tmp_path: Path, group: str) -> None:
    (scan,) = find_scans("bids", small_bids(tmp_path, ["FLAIR"], group=group))
    assert scan.healthy


def test_bids_says_that_no_one_is_healthy_and_who_has_no_row(tmp_path: Path) -> None:
    small_bids(tmp_path, ["FLAIR"], group="0")
    touch(tmp_path, "sub-2/anat/sub-2_FLAIR.nii.gz")
    found = {finding.what: finding.where for finding in survey(["bids"], [tmp_path])[1]}
    assert found["no value of participants.tsv means healthy"] == "0"
    assert found["no row in participants.tsv"] == "sub-2"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_bids_reads_text_of_any_encoding_and_ids_without_sub(tmp_path: Path, encoding: str) -> None:
    touch(tmp_path, "sub-1/anat/sub-1_FLAIR.nii.gz")
    table = "participant_id\tsite\tgroup\r\n1\tKöln\tcontrol\r\n\t\t\r\n"
    (tmp_path / "participants.tsv").write_bytes(table.encode(encoding))
    sidecar = '{"Comment": "150°", "SkullStripped": true}'
    (tmp_path / "sub-1/anat/sub-1_FLAIR.json").write_bytes(sidecar.encode(encoding))
    (scan,) = find_scans("bids", tmp_path)
    assert (scan.healthy, scan.stripped) == (True, True)


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\x00\xff", b"[" * 100_000])
def test_a_sidecar_that_is_none_is_named_and_not_believed(tmp_path: Path, content: bytes) -> None:
    small_bids(tmp_path, ["FLAIR"])
    (tmp_path / "sub-1/anat/sub-1_FLAIR.json").write_bytes(content)
    scans, found = survey(["bids"], [tmp_path])
    assert not scans[0].stripped
    assert "sidecar that is not a JSON object, not believed" in {finding.what for finding in found}


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


def test_table_scan_of_a_patient_whose_state_nobody_knows(tmp_path: Path) -> None:
    (scan,) = find_scans("table", table(tmp_path, "id,image,healthy\na,a.nii,Unknown\n"))
    assert (scan.healthy, scan.labelled, scan.lesion) == (False, False, None)


def test_table_leads_to_an_archive_where_the_caller_says_so(tmp_path: Path) -> None:
    archive, folder = tmp_path / "archive", tmp_path / "study"
    folder.mkdir()
    touch(archive / "2026", "a.nii", "b.nii")
    (folder / "link.nii").symlink_to(archive / "2026" / "b.nii")
    text = f"id,image,healthy\na,{archive}/2026/a.nii,yes\nb,link.nii,unknown\n"
    first, second = find_all("table", table(folder, text), [tmp_path / "another", archive])
    assert (first.image, second.image) == (archive / "2026" / "a.nii", archive / "2026" / "b.nii")
    for allowed in ([], [archive / "2025"]):
        with pytest.raises(PreprocessingError, match=r"outside the folder .* given by --archive"):
            find_all("table", folder, allowed)
    table(folder, f"id,image,healthy\na,{archive}/../secret.nii,yes\n")
    with pytest.raises(PreprocessingError, match="outside the folder"):
        find_all("table", folder, [archive])
    with pytest.raises(PreprocessingError, match="--archive is for the paths in a table, and the data set 'ixi'"):
        find_all("ixi", folder, [archive])


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
        ("id,image,healthy\na,x\\a.nii,1\n", r"line 2: image 'x\\\\a\.nii'; write / between folders, not"),
        (
            "id,image,healthy\nP-11,a.nii,1\nP1.1,b.nii,1\n",
            r"ids 'P-11' \(line 2\) and 'P1\.1' \(line 3\) both become sub-P11",
        ),
        (
            "id,image,healthy\na,b,c,1\n",
            r"line 2: 4 values for 3 columns; put a value that holds the separator in quotes",
        ),
        ("id,id,image,healthy\na,a,b,1\n", r"the column 'id' is there 2 times"),
        ('id,image,healthy\na,"b,1\n', r"scans\.csv: no table, "),
    ],
)
def test_table_refusals(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PreprocessingError, match=message):
        find_scans("table", table(tmp_path, text))


TABLES = [
    "id,image,healthy\nA,a.nii,yes\nB,b.nii,yes\n",
    "id;image;healthy\nA;a.nii;yes\nB;b.nii;yes\n",
    "id\timage\thealthy\nA\ta.nii\tyes\nB\tb.nii\tyes\n",
    "ID, Image ,Healthy\nA, a.nii, Yes\nB, b.nii, TRUE\n",
    ",id,image,healthy\n0,A,a.nii,1.0\n1,B,b.nii,1\n",
    "id,image,healthy,,\n,,,,\nA,a.nii,yes,,\n\nB,b.nii,yes\n,,,,\n",
    'id,image,healthy\r\nA,"a.nii",yes\r\nB,b.nii,yes',
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("text", TABLES)
def test_a_table_is_read_as_spreadsheets_write_it(tmp_path: Path, text: str, encoding: str) -> None:
    (tmp_path / "scans.csv").write_bytes(text.replace("b.nii", "bü.nii").encode(encoding))
    first, second = find_scans("table", tmp_path)
    assert (first.id, first.image.name, second.image.name, second.healthy) == ("sub-A", "a.nii", "bü.nii", True)


def test_a_link_that_leaves_is_named(tmp_path: Path) -> None:
    touch(tmp_path / "store", "a.nii")
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "a.nii").symlink_to(tmp_path / "store" / "a.nii")
    with pytest.raises(PreprocessingError, match=r"outside the folder .* by the link a\.nii to .*store"):
        find_scans("table", table(tmp_path / "study", "id,image,healthy\na,a.nii,yes\n"))


def test_table_round_trip(tmp_path: Path, head: Callable[..., Scan]) -> None:
    scans = [
        head("sub-a_ses-1", lesion=True, masked=True, split="validation"),
        head("sub-b", modality="T1", flair_like=True),
    ]
    write_table(scans, tmp_path / "raw" / "scans.csv", tmp_path / "raw")
    assert find_scans("table", tmp_path / "raw") == scans
    with pytest.raises(PreprocessingError, match=r"outside the folder"):
        write_table(scans, tmp_path / "scans.csv", tmp_path / "elsewhere")
