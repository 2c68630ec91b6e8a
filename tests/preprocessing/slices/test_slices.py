"""Folders in the layouts of published sets, made of slices of real patients, become prepared data sets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from skimage.transform import resize
from typer.testing import CliRunner

from pipeline.data import SliceDataset, normal_slices
from pipeline.leaderboard import run_leaderboard
from preprocessing.cli import app
from preprocessing.errors import PreprocessingError
from preprocessing.slices import LAYOUTS, prepare_slices
from preprocessing.slices.reading import read_slice

PATIENTS = ("CS4941", "CS4943", "CS4944", "CS5395", "CS5396", "CS6186")


def real(shared: Path) -> Iterator[tuple[str, int, np.ndarray, np.ndarray]]:
    """Patient, number, image of 8 bits and mask, as a picture shows them, of some axial slices."""
    for patient in PATIENTS:
        folder = shared / "lgg" / f"sub-{patient}" / "anat"
        names = ("FLAIR", "label-lesion_mask", "desc-brain_mask")
        image, lesion, brain = (
            np.asarray(nib.as_closest_canonical(nib.load(folder / f"sub-{patient}_{n}.nii.gz")).dataobj) for n in names
        )
        image = (255 * np.clip(image * (brain > 0) / np.percentile(image[brain > 0], 99.5), 0, 1)).astype(np.uint8)
        for z in np.linspace(0.25, 0.8, 6):
            plane = int(z * image.shape[2])
            yield patient, plane, np.rot90(image[..., plane]), np.rot90(lesion[..., plane] > 0)


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(array)).save(path)


@pytest.fixture(scope="module")
def kaggle(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("kaggle") / "kaggle_3m"
    for patient, number, image, lesion in real(shared_data):
        name = f"TCGA_{patient[:2]}_{patient[2:]}_19970101"
        save(root / name / f"{name}_{number}.tif", np.stack([image // 2, image, image // 3], axis=-1))
        save(root / name / f"{name}_{number}_mask.tif", 255 * lesion.astype(np.uint8))
    return root


def splits(out: Path) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for item in json.loads((out / "dataset.json").read_text())["items"]:
        found.setdefault(item["split"], []).append(item)
    return found


@pytest.mark.shared
def test_kaggle_lgg_is_prepared_and_measured(kaggle: Path, tmp_path: Path) -> None:
    options = ["--layout", "kaggle_lgg", "--image-size", "48"]
    shown = CliRunner().invoke(app, ["slices", "--root", str(kaggle), "--out", str(tmp_path / "d"), *options])
    assert shown.exit_code == 0 and "space none" in shown.output, shown.output
    found = splits(tmp_path / "d")
    assert {name: len(items) for name, items in found.items()} == {
        "train": 2, "calibration": 1, "validation": 1, "test": 2,
    }  # fmt: skip
    data = SliceDataset(tmp_path / "d", "test")
    assert set(data.z) == {-1} and data[0]["image"].shape == (1, 48, 48)
    brain = np.asarray(data.arrays["brain"]) > 0
    image = np.asarray(data.arrays["image"])
    assert not image[~brain].any() and image[brain].min() > 0 and image.max() <= 1
    for item in data.items:
        own = slice(*item["rows"])
        assert np.median(image[own][brain[own]]) == pytest.approx(0.4, abs=0.02)
    assert not any(row["lesion"].any() for row in normal_slices(tmp_path / "d"))
    assert not np.load(tmp_path / "d" / "slices" / "calibration_lesion.npy").any()
    results = run_leaderboard(["intensity"], tmp_path / "d", tmp_path / "runs")
    assert results["card_space"].item() == "none" and results["auroc"].item() > 0.6


@pytest.mark.shared
def test_the_middle_channel_is_read_and_rows_are_turned(kaggle: Path, tmp_path: Path) -> None:
    prepare_slices(kaggle, tmp_path, "k", LAYOUTS["kaggle_lgg"], image_size=64)
    item = splits(tmp_path)["test"][0]
    row = np.load(tmp_path / "slices" / "test_image.npy")[item["rows"][0]]
    lesions = np.load(tmp_path / "slices" / "test_lesion.npy")[slice(*item["rows"])]
    patient = item["subject"].removeprefix("sub-TCGA")
    files = [p for p in kaggle.rglob("*.tif") if patient in p.name.replace("_", "")]
    images = sorted((p for p in files if "mask" not in p.name), key=lambda p: int(p.stem.split("_")[-1]))
    picture = read_slice(images[0], channel=1)
    side = max(picture.shape)
    square = np.zeros((side, side))
    top, left = ((side - length) // 2 for length in picture.shape)
    square[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    shown = np.rot90(row)
    brain = shown > 0
    assert np.corrcoef(resize(square, (64, 64))[brain], shown[brain])[0, 1] > 0.9
    assert np.corrcoef(resize(square[::-1], (64, 64))[brain], shown[brain])[0, 1] < 0.7, "the other way up"
    masks = [read_slice(p.with_name(p.stem + "_mask.tif")) for p in images]
    areas = [(mask > 0).sum() * (64 / max(mask.shape)) ** 2 for mask in masks]
    np.testing.assert_allclose(lesions.sum((1, 2)), areas[: len(lesions)], atol=25)


@pytest.mark.shared
def test_bmad_and_medianomaly_keep_the_splits_of_their_folders(shared_data: Path, tmp_path: Path) -> None:
    for index, (patient, number, image, lesion) in enumerate(real(shared_data)):
        part = ("valid", "test")[index // 6 % 2]
        if not lesion.any():
            save(tmp_path / "bmad/Brain_AD/train/good" / f"{patient}_{number}.png", image)
            save(tmp_path / "bmad/Brain_AD" / part / "good/img" / f"{patient}_{number}.png", image)
            save(tmp_path / "med/BraTS2021/train" / f"{patient}_flair_{number}.png", image)
            continue
        save(tmp_path / "bmad/Brain_AD" / part / "Ungood/img" / f"{patient}_{number}.png", image)
        save(tmp_path / "bmad/Brain_AD" / part / "Ungood/label" / f"{patient}_{number}.png", 255 * lesion.astype("u1"))
        save(tmp_path / "med/BraTS2021/test/tumor" / f"{patient}_flair_{number}.png", image)
        save(tmp_path / "med/BraTS2021/test/annotation" / f"{patient}_seg_{number}.png", lesion.astype("u1"))
    for name, folder in (("bmad", "bmad"), ("medianomaly_brats", "med")):
        out = tmp_path / f"{folder}_out"
        prepare_slices(tmp_path / folder, out, name, LAYOUTS[name], image_size=32)
        found = splits(out)
        assert all(item["healthy"] for item in found["train"]) and not all(item["healthy"] for item in found["test"])
        manifest = json.loads((out / "dataset.json").read_text())
        assert manifest["space"] == "none" and manifest["provenance"]["in_several_splits"]
    assert {"calibration", "validation"} <= set(splits(tmp_path / "bmad_out"))


def test_own_layouts_and_npy_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    disc = np.hypot(*(np.mgrid[:40, :40] - 19.5)) < 15
    for patient in "abcde":
        for number in range(2):
            np.save(tmp_path / f"{patient}-{number}.npy", disc * rng.uniform(0.3, 0.6, disc.shape))
    options = ["--layout", "own", "--image", r"(?P<patient>\w)-(?P<slice>\d)\.npy", "--image-size", "32"]
    shown = CliRunner().invoke(app, ["slices", "--root", str(tmp_path), "--out", str(tmp_path / "out"), *options])
    assert shown.exit_code == 0, shown.output
    found = splits(tmp_path / "out")
    assert sum(map(len, found.values())) == 5 and all(item["healthy"] for items in found.values() for item in items)


@pytest.mark.parametrize(
    "options, message",
    [
        (["--layout", "mine"], "unknown layout 'mine'; available: kaggle_lgg, bmad, medianomaly_brats, own"),
        (["--layout", "own", "--image", "(?P<patient>a)"], r"has no group (?P<slice>"),
        (["--layout", "own", "--image", "("], "is no regular expression"),
        (["--layout", "bmad"], "no image whose path ends like"),
    ],
)
def test_mistakes_are_named(options: list[str], message: str, tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["slices", "--root", str(tmp_path), "--out", str(tmp_path / "out"), *options])
    assert isinstance(shown.exception, PreprocessingError) and message in str(shown.exception)
    assert not (tmp_path / "out").exists()


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no image")
    with pytest.raises(PreprocessingError, match="a.png: no image: "):
        read_slice(tmp_path / "a.png")
    save(tmp_path / "b.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(PreprocessingError, match="b.png: no channel 3; it has 3"):
        read_slice(tmp_path / "b.png", channel=3)
