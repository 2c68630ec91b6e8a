"""DICOM series: geometry and values as the header says, bad series refused by name, nothing private comes out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from synthetic_brain import ATLAS_AFFINE, ATLAS_SHAPE, brain_at, rigid
from synthetic_dicom import PRIVATE, write_series

from preprocessing import cli
from preprocessing.cohort.survey import survey
from preprocessing.config import build, load_config
from preprocessing.datasets import find_scans
from preprocessing.errors import PreprocessingError
from preprocessing.io.dicom import is_series, load_series, modality
from preprocessing.scan import Scan
from preprocessing.space.geometry import resample

SPACING = np.array([1.5, 1.25, 5.0])
PIXELS = np.random.default_rng(0).integers(-1000, 2000, (12, 10, 6)).astype(np.int16)

COLOUR = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0, "PixelRepresentation": 0,
          "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelData": bytes(12 * 10 * 3)}  # fmt: skip


def straight(shift: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
    """An oblique, axial grid as scanners have it: columns to the left, rows to the back, slices upwards."""
    return rigid((10, -5, 20), shift) @ np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1.0])


def tilted(affine: np.ndarray, degrees: float) -> np.ndarray:
    """The slices keep their distance, but each is shifted along its columns, as under a tilted gantry."""
    sheared = affine.copy()
    along = affine[:3, 1] / np.linalg.norm(affine[:3, 1])
    sheared[:3, 2] += along * np.linalg.norm(affine[:3, 2]) * np.tan(np.radians(degrees))
    return sheared


@pytest.mark.parametrize("degrees", [0, 12, -25])
def test_geometry_and_hounsfield_units(tmp_path: Path, degrees: float) -> None:
    affine = tilted(straight(), degrees)
    array, found = load_series(write_series(tmp_path, PIXELS, affine, slope=2, intercept=-1024), 0.05)
    np.testing.assert_allclose(found, affine, atol=2e-3)
    np.testing.assert_array_equal(array, 2.0 * PIXELS - 1024)


def test_itk_reads_the_same_volume(tmp_path: Path) -> None:
    write_series(tmp_path, PIXELS, straight(), slope=0.5, intercept=-1000, shuffled=False)
    array, affine = load_series(tmp_path, 0.05)
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path))
    image = sitk.ReadImage(files, sitk.sitkFloat32)
    np.testing.assert_array_equal(array, np.transpose(sitk.GetArrayFromImage(image), (2, 1, 0)))
    for index in [(0, 0, 0), (11, 0, 0), (3, 9, 5)]:
        point = np.array(image.TransformIndexToPhysicalPoint(index)) * (-1, -1, 1)
        np.testing.assert_allclose(affine[:3, :3] @ index + affine[:3, 3], point, atol=1e-3)


def test_other_files_beside_the_slices_do_not_matter(tmp_path: Path) -> None:
    write_series(tmp_path, PIXELS, straight())
    (tmp_path / "0_notes.txt").write_text("notes")
    (tmp_path / "DICOMDIR").write_bytes((tmp_path / "IM0000_2.dcm").read_bytes())
    assert is_series(tmp_path)
    assert modality(tmp_path) == "CT"
    assert load_series(tmp_path, 0.05)[0].shape == PIXELS.shape


@pytest.mark.parametrize(
    ("degrees", "settings", "message"),
    [
        (0, {"leave_out": (2,)}, r"slice missing: 10 mm between slices 2 and 3, others 5 mm"),
        (15, {"leave_out": (3, 4)}, r"slice missing: 15 mm between slices 3 and 4, others 5 mm"),
        (
            0,
            {"NumberOfFrames": 6},
            r"IM0000_2\.dcm: 6 frames in one file; convert it to NIfTI, for example by dcm2niix",
        ),
        (0, {"leave_out": (1, 2, 3, 4, 5)}, r": one slice; a series has several"),
        (0, {"ImagePositionPatient": None}, r"not a slice of a volume \(no position\)"),
        (0, COLOUR, r"not a slice of a volume \(colour\)"),
    ],
)
def test_series_that_are_refused(tmp_path: Path, degrees: float, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(PreprocessingError, match=message):
        load_series(write_series(tmp_path, PIXELS, tilted(straight(), degrees), **settings), 0.05)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"series": "two", "number": 3},
            r"2 series in one folder \(series 2 \(CT\): 6 files, series 3 \(CT\): 6 files\)",
        ),
        ({}, r"two slices at one place: 6 of 12 files are copies of others .*; a folder holds one volume"),
        ({"instance": "2.25.9"}, r"two slices at one place: several volumes \(echoes, phases or repetitions\) in one"),
        ({"shift": (0, 0, 32)}, r"uneven slice distances: 7 mm between slices 6 and 7, others 5 mm"),
        ({"shift": (3, 0, 30)}, r"slices out of line by up to"),
        ({"turn": True, "shift": (0, 0, 30)}, r"mixed orientations, IM0000_2\.dcm and IM0000_3\.dcm differ"),
        ({"columns": 11, "shift": (0, 0, 30)}, r"mixed sizes, 12 × 10 pixels of 1\.5 × 1\.25 mm and 11 × 10 pixels"),
    ],
)
def test_mixed_folders_are_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    first = np.diag([*(-SPACING[:2]), SPACING[2], 1.0])
    second = first.copy()
    second[:3, 3] = settings.get("shift", (0, 0, 0))
    if settings.get("turn"):
        second = second @ rigid((0, 0, 90), (0, 0, 0))
    write_series(tmp_path, PIXELS, first)
    write_series(
        tmp_path, PIXELS[: settings.get("columns", 12)], second, series=settings.get("series", "one"),
        number=settings.get("number", 2), tag=3, shuffled=False, instance=settings.get("instance"),
    )  # fmt: skip
    with pytest.raises(PreprocessingError, match=message):
        load_series(tmp_path, 0.05)


def test_no_dicom_and_damaged_dicom_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert not is_series(tmp_path / "empty")
    with pytest.raises(PreprocessingError, match=r"empty: no DICOM file"):
        load_series(tmp_path / "empty", 0.05)
    path = write_series(tmp_path / "cut", PIXELS, straight()) / "IM0003_2.dcm"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(PreprocessingError, match=r"IM0003_2\.dcm: unreadable or truncated DICOM"):
        load_series(tmp_path / "cut", 0.05)
    path.write_bytes(path.read_bytes()[:140])
    with pytest.raises(PreprocessingError, match=r"IM0003_2\.dcm: (unreadable or truncated DICOM|not a slice)"):
        load_series(tmp_path / "cut", 0.05)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"1.25", b"1,25", r"IM000\d_2\.dcm: its spacing is not a number \(a decimal comma; DICOM has a point\)$"),
        (b"1.25\\1.5", b"1.25 1.5", r"_2\.dcm: (unreadable or truncated DICOM|its spacing has 1 numbers, not 2)$"),
        (b"1.25", b"nan ", r"IM000\d_2\.dcm: its spacing is not finite$"),
    ],
)
def test_numbers_that_are_none_are_refused_by_file_and_not_repeated(
    tmp_path: Path, old: bytes, new: bytes, message: str
) -> None:
    write_series(tmp_path, PIXELS, np.diag([*SPACING, 1.0]))
    for path in tmp_path.iterdir():
        assert old in path.read_bytes()
        path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(PreprocessingError, match=message):
        load_series(tmp_path, 0.1)


def test_what_is_there_instead_of_dicom_is_said(tmp_path: Path) -> None:
    write_series(tmp_path / "bare", PIXELS, np.diag([*SPACING, 1.0]))
    for path in (tmp_path / "bare").iterdir():
        path.write_bytes(path.read_bytes()[132:])
    (tmp_path / "nifti").mkdir()
    (tmp_path / "nifti" / "scan.nii.gz").write_bytes(b"")
    for name, message in (("bare", "6 files begin like DICOM without its preamble"), ("nifti", "it has NIfTI files")):
        with pytest.raises(PreprocessingError, match=f"no DICOM file; {message}"):
            load_series(tmp_path / name, 0.1)


def head_series(folder: Path, degrees: float, **settings: Any) -> Path:
    """The synthetic head on slices of 4 mm, under a gantry tilted by `degrees`."""
    affine = tilted(ATLAS_AFFINE, degrees)
    affine[:3, 3] -= affine[:3, :3] @ (0, 0, 19) - ATLAS_AFFINE[:3, :3] @ (0, 0, 19)  # the middle slice stays
    voxels = np.stack(np.meshgrid(*map(np.arange, ATLAS_SHAPE), indexing="ij"), axis=-1)
    image, _ = brain_at(voxels @ affine[:3, :3].T + affine[:3, 3])
    return write_series(folder, np.rint(image * 10).astype(np.int16), affine, slope=0.1, **settings)


@pytest.mark.parametrize("degrees", [0, 18])
def test_a_tilted_gantry_is_undone_by_the_affine(tmp_path: Path, degrees: float) -> None:
    scan = Scan("sub-a", "sub-a", "CT", head_series(tmp_path / "a", degrees), healthy=True)
    config = load_config("base", {})
    data = build({**config, "steps": {"_target_": "Compose", "transforms": ["@load", "@reorient"]}}, "steps")(
        {"scan": scan}
    )
    image = data["image"]
    matrix = np.linalg.inv(np.asarray(image.affine)) @ ATLAS_AFFINE
    found = resample(image[0].numpy(), matrix, ATLAS_SHAPE)
    voxels = np.stack(np.meshgrid(*map(np.arange, ATLAS_SHAPE), indexing="ij"), axis=-1)
    expected, _ = brain_at(voxels @ ATLAS_AFFINE[:3, :3].T + ATLAS_AFFINE[:3, 3])
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99


def test_dicom_data_set(tmp_path: Path) -> None:
    for name in ("p1/study/FLAIR", "p1/study/T1", "p2/series", "p3/localizer"):
        kind = "CT" if name.startswith("p2") else "MR"
        write_series(tmp_path / name, PIXELS, straight(), modality=kind, leave_out=(1, 2, 3, 4, 5))
    scans, findings = survey(["dicom"], [tmp_path])
    assert [(scan.id, scan.modality) for scan in scans] == [("sub-p1", "FLAIR")]
    assert not scans[0].labelled
    assert [(finding.what, finding.where) for finding in findings] == [
        ("no complete label", "sub-p1"), ("no FLAIR", "sub-p2"), ("unknown file", "p3/localizer/IM0003_2.dcm")
    ]  # fmt: skip
    assert [scan.image for scan in find_scans("dicom", tmp_path, "CT")] == [tmp_path / "p2" / "series"]
    assert [scan.image.name for scan in find_scans("dicom", tmp_path, "T1")] == ["T1"]
    with pytest.raises(PreprocessingError, match=r"DICOM files without a subject folder; give the folder above it"):
        find_scans("dicom", tmp_path / "p2" / "series")


@pytest.mark.shared
def test_a_real_ct_keeps_its_hounsfield_units_and_its_place(tmp_path: Path, shared_data: Path) -> None:
    image = nib.load(shared_data / "invesalius_ct" / "cranium_ct.nii.gz")
    values = np.asarray(image.dataobj, dtype=np.float32)
    stored = (values + 1024).astype(np.int16)
    array, affine = load_series(write_series(tmp_path, stored, image.affine, intercept=-1024), 0.05)
    np.testing.assert_array_equal(array, values)
    np.testing.assert_allclose(affine, image.affine, atol=1e-3)


@pytest.mark.usefixtures("use_coarse_atlas")
def test_from_dicom_to_the_data_set_without_private_text(
    tmp_path: Path, quick_config: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    head_series(raw / "a", 10, modality="MR")
    head_series(raw / "b", 0, modality="MR", leave_out=(9,))
    (raw / "scans.csv").write_text("id,image,healthy,stripped\na,a,1,1\nb,b,1,1\n")
    arguments = ["run", "--dataset", "table", "--root", raw, "--out", out, "--config", quick_config]
    monkeypatch.setattr(
        sys, "argv", ["preprocessing", *map(str, arguments), "--image-size", "16", "--slices", "3", "--workers", "0"]
    )
    with pytest.raises(SystemExit):
        cli.main()
    assert "slice missing: 8 mm between slices 9 and 10, others 4 mm" in (out / "failures.tsv").read_text()
    image = nib.load(out / "sub-a" / "anat" / "sub-a_space-SRI24_desc-preproc_FLAIR.nii.gz")
    assert np.count_nonzero(image.get_fdata()) > 1000
    texts = [path.read_bytes() for path in out.rglob("*") if path.is_file()]
    texts += [nib.load(path).to_bytes() for path in out.rglob("*.nii.gz")]
    texts += [text.encode() for text in capfd.readouterr()]
    for word in (*PRIVATE, "Jane"):
        assert not any(word.encode() in text for text in texts)
