"""A DICOM series in, a Segmentation and a Parametric Map on that series out; nothing of its header anywhere else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import pytest
from packed_model import MOVE, Packed
from synthetic_brain import HeadWriter
from synthetic_dicom import PRIVATE, write_series
from test_predict import predict

from lesionless.prediction.dicom import check_dicom
from lesionless.prediction.sources import find_sources
from pipeline.errors import PipelineError
from preprocessing.errors import PreprocessingError

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
NAME = "sub-o3_space-orig"
COPIED = {"PatientName", "PatientID", "PatientBirthDate", "StudyDate", "ReferringPhysicianName"}


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The head of a patient, oblique, as a series whose files are not in order."""
    root = tmp_path_factory.mktemp("series")
    image = nib.load(HeadWriter(root / "raw")("sub-o3", move=MOVE, lesion=True, codes="LPS").image)
    return write_series(root / "o3", np.rint(np.asarray(image.dataobj)).astype(np.int16), image.affine, modality="MR")


@pytest.fixture(scope="module")
def out(packed: Packed, series: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dicom") / "out"
    predict(series, "--model", packed.model, "--out", out, "--threshold", "p98", "--dicom", pages=True)
    return out


def expected(out: Path, end: str) -> tuple[np.ndarray, np.ndarray]:
    """What the NIfTI file of the same prediction has, and its affine."""
    image = nib.load(out / "sub-o3" / "anat" / f"{NAME}_{end}.nii.gz")
    return np.asarray(image.dataobj), image.affine


def written(out: Path, end: str) -> Path:
    return out / "sub-o3" / "anat" / f"{NAME}_{end}.dcm"


@pytest.mark.parametrize(("end", "same"), [("label-lesion_seg", "label-lesion_mask"), ("anomaly", "anomaly")])
def test_every_voxel_is_where_it_was(out: Path, end: str, same: str) -> None:
    """By pydicom alone: the centre of each pixel of each frame, through the affine of the NIfTI file."""
    made, (values, affine) = pydicom.dcmread(written(out, end)), expected(out, same)
    assert made.NumberOfFrames == values.shape[2]
    assert values.any()
    shared = made.SharedFunctionalGroupsSequence[0]
    rows, columns = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float).reshape(2, 3)
    height, width = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    for frame, pixels in zip(made.PerFrameFunctionalGroupsSequence, made.pixel_array, strict=True):
        corner = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
        for column, row in ((0, 0), (made.Columns - 1, 0), (7, made.Rows - 1)):
            point = np.array([*(corner + rows * width * column + columns * height * row), 1])
            x, y, z = (np.linalg.inv(affine) @ LPS @ point)[:3]
            np.testing.assert_allclose([x, y], [column, row], atol=1e-2)
            assert z == pytest.approx(round(z), abs=1e-2)
        np.testing.assert_array_equal(pixels, values[:, :, round(z)].T)


def test_highdicom_reads_the_same_volume(out: Path, series: Path) -> None:
    mask, affine = expected(out, "label-lesion_mask")
    scores, _ = expected(out, "anomaly")
    read = hd.seg.segread(written(out, "label-lesion_seg")), hd.imread(written(out, "anomaly"))
    volumes = read[0].get_volume(combine_segments=True), read[1].get_volume(apply_real_world_transform=True)
    for volume, values in zip(volumes, (mask, scores), strict=True):
        place = np.linalg.inv(affine) @ LPS @ volume.affine  # frames, rows, columns → x, y, z
        index = np.indices(volume.spatial_shape).reshape(3, -1)
        x, y, z = np.rint(place[:3, :3] @ index + place[:3, 3:]).astype(int)
        np.testing.assert_allclose(volume.array.ravel(), values[x, y, z], rtol=1e-6)
    sources = {item.SOPInstanceUID for item in map(pydicom.dcmread, series.iterdir())}
    for made in read:
        named = made.ReferencedSeriesSequence[0].ReferencedInstanceSequence
        assert {item.ReferencedSOPInstanceUID for item in named} == sources
        assert made.FrameOfReferenceUID == pydicom.dcmread(next(series.iterdir())).FrameOfReferenceUID
    algorithm = read[0].SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0]
    assert (algorithm.AlgorithmName, read[0].SegmentationType) == ("Intensity", "BINARY")


@pytest.mark.parametrize("end", ["label-lesion_seg", "anomaly"])
def test_the_validator_finds_no_error(out: Path, end: str) -> None:
    validator = Path(sys.executable).with_name("dciodvfy")
    done = subprocess.run([validator, "-new", written(out, end)], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Error" not in done.stdout + done.stderr


def test_what_the_standard_does_not_ask_for_is_not_copied(out: Path) -> None:
    for end in ("label-lesion_seg", "anomaly"):
        made = pydicom.dcmread(written(out, end))
        private = {item.keyword for item in made.iterall() if str(item.value) in PRIVATE}
        assert private == COPIED
    for path in out.rglob("*"):
        if path.is_file() and path.suffix != ".dcm":
            content = nib.load(path).to_bytes() if path.name.endswith(".nii.gz") else path.read_bytes()
            assert not [word for word in PRIVATE if word.encode() in content], path


def test_several_series_and_scans_without_a_series_are_refused(
    packed: Packed, series: Path, head: HeadWriter, tmp_path: Path
) -> None:
    image = head("sub-o4").image
    with pytest.raises(PipelineError, match=r"sub-o4.nii.gz: not a DICOM series; --dicom writes objects"):
        predict(series, image, "--model", packed.model, "--out", tmp_path / "out", "--dicom")
    both = shutil.copytree(series, tmp_path / "o5")
    write_series(both, np.zeros((8, 8, 4), np.int16), np.eye(4), modality="MR", series="two", number=3, tag=3)
    text = predict(both, "--model", packed.model, "--out", tmp_path / "out", code=1)
    assert "2 series in one folder (series 2 (MR): 39 files, series 3 (MR): 4 files)" in " ".join(text.split())
    with pytest.raises(PreprocessingError, match="a T1 scan; this model knows FLAIR"):
        find_sources([shutil.copytree(series, tmp_path / "o3_T1w")], "FLAIR")


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(PipelineError, match=r"DICOM output needs the extra dicom: pip install 'lesionless\[dicom\]'"):
        check_dicom([])
