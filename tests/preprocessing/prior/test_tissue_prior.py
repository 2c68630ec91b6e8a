"""The tissue prior: moments of segmentations, pixel by pixel on the grid of the data set's slices, made once."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from ignite.engine import Engine
from synthetic_tissues import AFFINE, SHAPE, brain_of_tissues, write_prepared

from pipeline.handlers import TissueMaps
from pipeline.prior import load_prior
from preprocessing import cli
from preprocessing.config import load_config
from preprocessing.dataset.pseudo_volume import PseudoVolumed
from preprocessing.errors import PreprocessingError
from preprocessing.io.files import sha256_file, write_json
from preprocessing.prior import icbm152, segmented
from preprocessing.prior.maps import CLASSES, class_maps, moments
from preprocessing.prior.segmentations import Segmented
from preprocessing.prior.segmented import segmented_prior
from preprocessing.space.grid import load_grid

CONFIG = load_config("base", {})
BRAINS = {"sub-a": brain_of_tissues(), "sub-b": brain_of_tissues((2, 0, 1)), "sub-c": brain_of_tissues(scale=0.9)}


def build(dataset: Path, out: Path) -> Segmented:
    return segmented_prior(dataset, out, CONFIG, workers=0, progress=False)[0]


def write_split(root: Path) -> Path:
    """sub-a to sub-c for training, healthy and not; of the others sub-test alone is a healthy test scan."""
    held = dict.fromkeys(("sub-test", "sub-lesion", "sub-calibration"), BRAINS["sub-b"])
    dataset = write_prepared(root, {**BRAINS, **held}, size=20)
    manifest = json.loads((dataset / "dataset.json").read_text())
    for item in manifest["items"][3:]:
        item["split"] = "calibration" if item["id"] == "sub-calibration" else "test"
        item["healthy"] = item["id"] != "sub-lesion"
    write_json(dataset / "dataset.json", manifest)
    return dataset


def maps_of(out: Path) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    mean, variance = (nib.load(out / f"{name}.nii.gz") for name in ("mean", "variance"))
    np.testing.assert_array_equal(mean.affine, variance.affine)
    return np.asarray(mean.dataobj), np.asarray(variance.dataobj), json.loads((out / "prior.json").read_text())


def one_hot(segmentation: Path) -> np.ndarray:
    labels = np.asarray(nib.load(segmentation).dataobj)
    return np.stack([labels == label for label in (1, 2, 3, 0)], axis=-1)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Segmented]:
    folder = tmp_path_factory.mktemp("cohort")
    dataset = write_prepared(folder / "dataset", BRAINS, size=20)
    return dataset, folder / "prior", build(dataset, folder / "prior")


@pytest.mark.parametrize("contrast", ["T1", "FLAIR"])
def test_prior_of_one_is_its_segmentation(tmp_path: Path, contrast: str) -> None:
    """At the size of the atlas plane, which is not square here, a pixel is a voxel in one direction only."""
    dataset = write_prepared(tmp_path / "dataset", {"sub-a": brain_of_tissues()}, contrast, size=SHAPE[0])
    done = build(dataset, tmp_path / "prior")
    mean, variance, _ = maps_of(tmp_path / "prior")
    maps = one_hot(done.paths["sub-a"])
    np.testing.assert_allclose(mean, class_maps([maps[..., k] for k in range(3)], SHAPE[0]), atol=1e-6)
    assert not variance.any()
    square = [maps[:, : SHAPE[0], :, k] for k in range(3)]
    np.testing.assert_array_equal(class_maps(square, SHAPE[0])[..., :3], np.stack(square, axis=-1))
    assert (maps[..., 1] & (brain_of_tissues() == 2)).sum() > 0.98 * (brain_of_tissues() == 2).sum()


def test_moments_are_those_of_the_cohort(cohort: tuple[Path, Path, Segmented]) -> None:
    _, out, done = cohort
    mean, variance, facts = maps_of(out)
    maps = [class_maps([one_hot(path)[..., k] for k in range(3)], 20) for path in done.paths.values()]
    np.testing.assert_allclose(mean, np.mean(maps, axis=0), atol=1e-6)
    np.testing.assert_allclose(variance, np.var(maps, axis=0), atol=1e-6)
    np.testing.assert_allclose(mean.sum(axis=-1), 1, atol=1e-6)
    assert mean.dtype == variance.dtype == np.float32
    assert (mean.min() >= -1e-7, mean.max() <= 1 + 1e-6, variance.min() >= 0) == (True, True, True)
    assert facts["classes"] == list(CLASSES) == ["CSF", "GM", "WM", "background"]
    assert (facts["scans"], facts["image_size"], facts["z"]) == (3, 20, [0, SHAPE[2], 1])
    assert facts["sha256"] == {name: sha256_file(out / f"{name}.nii.gz") for name in ("mean", "variance")}
    assert (out / "qc.png").stat().st_size > 1000


def test_moments_are_numerically_stable() -> None:
    values = 1e6 + np.random.default_rng(0).standard_normal((50, 3))
    mean, variance = moments(iter(values))
    np.testing.assert_allclose(mean, values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(variance, values.var(axis=0), rtol=1e-6)


def test_shifted_brain_gives_a_shifted_prior(tmp_path: Path) -> None:
    shift = (4, 0, 3)
    means = []
    for name, brain in (("here", brain_of_tissues()), ("there", brain_of_tissues(shift))):
        build(write_prepared(tmp_path / name, {"sub-a": brain}, size=20), tmp_path / f"{name}-prior")
        means.append(maps_of(tmp_path / f"{name}-prior")[0])
    moved = np.roll(means[0], (shift[0] // 2, shift[2]), axis=(0, 2))
    assert np.abs(means[1] - moved).mean() < 1e-3
    assert np.abs(means[1] - means[0]).mean() > 0.05


def test_slices_and_pixels_are_those_of_the_data_set(cohort: tuple[Path, Path, Segmented]) -> None:
    """A slice of the prior of one scan is what the slices of a data set would show of its maps."""
    maps = one_hot(cohort[2].paths["sub-a"]).astype(np.float32)
    transform = PseudoVolumed(size=20, slices=5, step=3, centre=15)
    everywhere = np.ones(SHAPE, np.uint8)
    prior = class_maps([maps[..., k] for k in range(3)], 20)
    for k in range(3):
        rows = transform({"image": maps[..., k], "brain": everywhere})["image"]
        for row, z in zip(rows, transform.grid_slices(SHAPE[2]), strict=True):
            np.testing.assert_allclose(prior[:, :, z, k], row, atol=1e-6)


def test_place_of_the_grid_is_that_of_the_atlas(cohort: tuple[Path, Path, Segmented]) -> None:
    mean, _, facts = maps_of(cohort[1])
    weights = 1 - mean[..., 3]
    centre = np.array([np.average(index, weights=weights) for index in np.indices(weights.shape)])
    label = sum(one_hot(path)[..., :3].any(axis=-1) for path in cohort[2].paths.values())
    atlas = np.array([np.average(index, weights=label) for index in np.indices(label.shape)])
    place = np.array(facts["affine"])
    here, there = place[:3, :3] @ centre + place[:3, 3], AFFINE[:3, :3] @ atlas + AFFINE[:3, 3]
    np.testing.assert_allclose(here, there, atol=0.05)  # pixels of 8 mm


def test_rerun_makes_what_is_missing_or_changed_only(tmp_path: Path) -> None:
    dataset, out = write_prepared(tmp_path / "dataset", BRAINS, size=20), tmp_path / "prior"
    first = build(dataset, out)
    files = {path: path.stat().st_mtime_ns for path in first.paths.values()}
    digests = {name: sha256_file(out / name) for name in ("mean.nii.gz", "variance.nii.gz", "prior.json")}
    assert (first.made, build(dataset, out).made) == (3, 0)
    assert {path: path.stat().st_mtime_ns for path in files} == files
    first.paths["sub-a"].unlink()  # lost
    first.paths["sub-b"].write_bytes(b"half")  # not what was written
    assert build(dataset, out).made == 2
    assert {name: sha256_file(out / name) for name in digests} == digests
    cohort_hash = maps_of(out)[2]["cohort_hash"]
    write_prepared(dataset, {**BRAINS, "sub-c": BRAINS["sub-b"]}, size=20)
    assert build(dataset, out).made == 1
    assert maps_of(out)[2]["cohort_hash"] != cohort_hash


def test_healthy_test_scans_are_segmented_and_not_in_the_prior(
    tmp_path: Path, cohort: tuple[Path, Path, Segmented]
) -> None:
    dataset, out = write_split(tmp_path / "dataset"), tmp_path / "prior"
    training, test = segmented_prior(dataset, out, CONFIG, workers=0, progress=False)
    names = {f"{name}_space-mine_dseg.nii.gz" for name in ("sub-a", "sub-b", "sub-c", "sub-test")}
    assert {path.name for path in (out / "segmentations").glob("*.nii.gz")} == names
    assert (set(training.paths), set(test.paths), test.made) == (set(BRAINS), {"sub-test"}, 1)
    for name in ("mean.nii.gz", "variance.nii.gz", "prior.json"):
        assert sha256_file(out / name) == sha256_file(cohort[1] / name), "that of the training scans alone"
    assert segmented_prior(dataset, out, CONFIG, workers=0, progress=False)[1].made == 0
    (dataset / "sub-test_image.nii.gz").write_bytes(b"")
    failed = segmented_prior(dataset, out, CONFIG, workers=0, progress=False)[1].failures
    assert (set(failed), sha256_file(out / "prior.json")) == ({"sub-test"}, sha256_file(cohort[1] / "prior.json"))
    assert not (out / "segmentations" / "sub-test_space-mine_dseg.nii.gz").exists(), "not of the scan that is there"


def test_reader_finds_the_segmentation_of_a_test_scan(tmp_path: Path) -> None:
    """`own` is the segmentation, sampled at the slices of the scan; a scan with a lesion falls back to the prior."""
    dataset, out = write_split(tmp_path / "dataset"), tmp_path / "prior"
    labels = one_hot(segmented_prior(dataset, out, CONFIG, workers=0, progress=False)[1].paths["sub-test"])
    manifest = json.loads((dataset / "dataset.json").read_text())
    place = json.loads((out / "prior.json").read_text())
    manifest |= {"format": "lesionless-dataset", "version": 1, "splits": {}, "affine": place["affine"], "z": place["z"]}
    manifest |= {"slices": 10, "image_size": 20, "spacing_mm": [1.0, 1.0, 1.0], "hash": "0", "name": "drawn"}
    for item in manifest["items"]:
        item |= {"z": [10, 20, 1], "labelled": True}
    write_json(dataset / "dataset.json", manifest)
    reader = TissueMaps(str(tmp_path), manifest, load_prior(out, dataset), str(out / "segmentations"))
    image = torch.zeros(10, 1, 20, 20)
    engine = Engine(lambda engine, batch: {"label": batch})
    engine.network = lambda image: SimpleNamespace(mu=torch.ones(len(image), 4, 20, 20))
    reader.attach(engine)
    engine.run([{"scan": [name], "image": image, "z": torch.arange(10, 20)} for name in ("sub-test", "sub-lesion")])
    table = pd.read_csv(tmp_path / "tissues.csv").set_index("scan")
    assert table["reference"].to_dict() == {"sub-test": "own", "sub-lesion": "prior"}
    csf = class_maps([labels[..., k].astype(np.float32) for k in range(3)], 20)[:, :, 10:20, 0].mean()
    assert table.loc["sub-test", "dice_CSF"] == pytest.approx(2 * csf / (1 + csf), rel=0.1)


def test_bad_scan_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    dataset, out = write_prepared(tmp_path / "dataset", BRAINS, size=20), tmp_path / "prior"
    (dataset / "sub-b_image.nii.gz").write_bytes(b"")
    done = build(dataset, out)
    facts = maps_of(out)[2]
    assert set(done.failures) == {"sub-b"}
    assert "sub-b_image.nii.gz" in done.failures["sub-b"]
    assert [item["id"] for item in facts["items"]] == ["sub-a", "sub-c"]
    assert facts["failed"] == [{"id": "sub-b", "reason": done.failures["sub-b"]}]


def test_nothing_to_make_a_prior_of_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PreprocessingError, match=r"dataset\.json: no such file; prepare the data set first"):
        build(tmp_path, tmp_path / "prior")
    dataset = write_prepared(tmp_path / "dataset", {"sub-a": BRAINS["sub-a"]})
    (dataset / "sub-a_image.nii.gz").write_bytes(b"")
    with pytest.raises(PreprocessingError, match=r"no scan could be segmented; the first reason: .*sub-a_image\.nii"):
        build(dataset, tmp_path / "prior")
    manifest = json.loads((dataset / "dataset.json").read_text())
    manifest["items"][0]["split"] = "calibration"
    write_json(dataset / "dataset.json", manifest)
    with pytest.raises(PreprocessingError, match="no healthy training scan to make a prior of"):
        build(dataset, tmp_path / "prior")


def test_ct_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    dataset = write_prepared(tmp_path / "dataset", BRAINS)
    manifest = json.loads((dataset / "dataset.json").read_text())
    write_json(dataset / "dataset.json", {**manifest, "modality": "CT"})
    with pytest.raises(PreprocessingError, match="no order of tissue intensities is known for CT"):
        build(dataset, tmp_path / "prior")
    assert not (tmp_path / "prior").exists()


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = write_prepared(tmp_path / "dataset", BRAINS, size=20)
    monkeypatch.setattr(
        sys,
        "argv",
        ["preprocessing", "prior", "--dataset", str(dataset), "--out", str(tmp_path / "p"), "--workers", "0"],
    )

    def call() -> tuple[int, str]:
        with pytest.raises(SystemExit) as exit_info:
            cli.main()
        return int(exit_info.value.code or 0), capsys.readouterr().out

    code, text = call()
    assert (code, "prior.json: of 3 scans, 3 of them segmented now" in text) == (0, True)
    assert "0 healthy test scans segmented beside it, 0 of them now" in text
    (dataset / "sub-b_image.nii.gz").write_bytes(b"")
    code, text = call()
    assert (code, "of 2 scans, 0 of them" in text, "1 scans failed" in text) == (1, True, True)


def test_two_priors_are_not_made_in_one_folder_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would remove or replace what the other has half-written."""
    dataset, out = write_prepared(tmp_path / "dataset", {"sub-a": BRAINS["sub-a"]}, size=20), tmp_path / "prior"
    grid, config = load_grid(dataset / "sub-a_image.nii.gz"), {**CONFIG, "atlas": {"space": "mine", "mask": "unread"}}
    monkeypatch.setattr(icbm152, "load_grid", lambda path: grid)
    monkeypatch.setattr(icbm152, "registered_maps", lambda config, grid: 3 * [np.zeros(SHAPE)])

    def refused(other: Callable[[], object]) -> Callable[..., Segmented]:
        def inside(*arguments: object) -> Segmented:
            with pytest.raises(PreprocessingError, match="is at work there; wait for it or stop it"):
                other()
            raise KeyboardInterrupt

        return inside

    monkeypatch.setattr(segmented, "segment_all", refused(lambda: icbm152.default_prior(dataset, out, config)))
    with pytest.raises(KeyboardInterrupt):
        build(dataset, out)
    monkeypatch.setattr(icbm152, "write_prior", refused(lambda: build(dataset, out)))
    with pytest.raises(KeyboardInterrupt):
        icbm152.default_prior(dataset, out, config)
