from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import binary_erosion, distance_transform_edt

from pipeline.data import (
    SliceDataset,
    erode,
    load_manifest,
    normal_slices,
    repeated,
    scan_affine,
    scan_loader,
    training_loader,
)
from pipeline.errors import PipelineError


def test_a_batch_is_the_slices_of_one_scan(tiny_dataset: Path) -> None:
    dataset = SliceDataset(tiny_dataset, "test")
    batches = list(scan_loader(dataset))
    assert [set(batch["scan"]) for batch in batches] == [{f"sub-test{i}"} for i in range(4)]
    assert all(batch["image"].shape == (3, 1, 32, 32) for batch in batches)
    assert sum(len(batch["row"]) for batch in batches) == len(dataset)


def test_slices_are_memory_mapped_and_lesions_kept(tiny_dataset: Path) -> None:
    dataset = SliceDataset(tiny_dataset, "validation")
    assert isinstance(dataset.arrays["image"], np.memmap)
    lesion = sum(int(dataset[row]["lesion"].sum()) for row in range(len(dataset)))
    assert lesion == int((dataset.arrays["lesion"] > 0).sum()) > 0


def test_the_affine_of_a_scan_starts_at_its_first_slice() -> None:
    affine = np.array([[2.0, 0, 0, -9], [0, 2, 0, 4], [0, 0, 3, 1], [0, 0, 0, 1]])
    manifest = {"affine": affine.tolist(), "z": [1, 100, 3]}
    own = scan_affine(manifest, {"z": [10, 40, 3]})
    np.testing.assert_allclose(own @ [5, 6, 0, 1], affine @ [5, 6, 3, 1])
    np.testing.assert_array_equal(scan_affine({"affine": affine.tolist()}, {}), affine)


@pytest.mark.parametrize("spacing, width, pixels", [((2.5, 2.5), 3.2, 1), ((1.0, 1.0), 3.0, 3), ((1.0, 1.0), 0.0, 0)])
def test_erosion_is_in_millimetres(spacing: tuple[float, float], width: float, pixels: int) -> None:
    mask = np.zeros((21, 21), bool)
    mask[3:18, 3:18] = True
    square = binary_erosion(mask, np.ones((3, 3)), iterations=pixels) if pixels else mask
    assert np.array_equal(erode(mask, width, spacing), square)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (240 / 224, 240 / 224), (0.9, 1.7)])
@pytest.mark.parametrize("width", [0.5, 2.0, 3.2, 5.0])
def test_erosion_is_that_of_the_distance_map(spacing: tuple[float, float], width: float) -> None:
    mask = np.random.default_rng(0).random((40, 50)) < 0.98
    distance = distance_transform_edt(np.pad(mask, 1), sampling=spacing)[1:-1, 1:-1]
    assert np.array_equal(erode(mask, width, spacing), distance > width)


def test_a_square_of_even_side_erodes_one_pixel_more_where_the_axes_start(tiny_dataset: Path) -> None:
    brain, support = (SliceDataset(tiny_dataset, "test", erosion_px=6)[0][key][0] for key in ("brain", "support"))
    padded = np.pad(brain.numpy(), (3, 2))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (6, 6))
    np.testing.assert_array_equal(support.numpy(), windows.all(axis=(2, 3)))
    assert 0 < support.sum() < brain.sum()


def test_the_frame_counts_as_outside() -> None:
    assert not erode(np.ones((5, 5), bool), 1.0, (1.0, 1.0))[0].any()


def test_order_of_training_depends_on_seed_and_epoch_only(tiny_dataset: Path) -> None:
    def rows(seed: int, epoch: int) -> list[int]:
        loader = training_loader(SliceDataset(tiny_dataset, "train"), 4, seed)
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        return [int(row) for batch in loader for row in batch["row"]]

    assert rows(0, 3) == rows(0, 3)
    assert sorted(rows(0, 3)) == list(range(24))
    assert rows(0, 3) != rows(0, 4)
    assert rows(0, 3) != rows(1, 3)


def test_of_patients_only_slices_without_a_lesion_are_trained_on(tiny_dataset: Path, tmp_path: Path) -> None:
    assert [item["row"] for item in normal_slices(tiny_dataset)] == list(range(24))
    root = tmp_path / "dataset"
    shutil.copytree(tiny_dataset, root)
    manifest = json.loads((root / "dataset.json").read_text())
    paths = manifest["splits"]["validation"]
    share = np.load(root / paths["lesion"]).any(axis=(1, 2)).astype(np.float32)
    np.save(root / "slices/share.npy", share)
    paths["lesion_share"] = "slices/share.npy"
    (root / "dataset.json").write_text(json.dumps(manifest))
    found = normal_slices(root, "validation")
    assert [item["row"] for item in found] == [0, 3] and not any(item["lesion"].any() for item in found)
    np.save(root / "slices/share.npy", np.array([1, 0, 0, 0, 0, 0])[: len(share)])
    for gap, rows in ((0, [1, 2, 3, 4, 5]), (1, [2, 3, 4, 5]), (2, [3, 4, 5])):  # the second scan has no lesion
        assert [item["row"] for item in normal_slices(root, "validation", gap)] == rows
    with pytest.raises(PipelineError, match="gap is a number of slices beside a lesion, ≥ 0; got -1"):
        normal_slices(root, "validation", -1)
    np.save(root / "slices/share.npy", np.ones_like(share))
    with pytest.raises(PipelineError, match="split 'validation' in .* has no slice without a lesion to train on"):
        normal_slices(root, "validation")
    paths["lesion_share"] = "../share.npy"
    (root / "dataset.json").write_text(json.dumps(manifest))
    with pytest.raises(PipelineError, match="array 'lesion_share' of split 'validation' lies outside"):
        normal_slices(root, "validation")


@pytest.mark.parametrize("at_least, times", [(0, 1), (24, 1), (25, 2), (70, 3)])
def test_slices_are_repeated_until_there_are_enough(at_least: int, times: int, tiny_dataset: Path) -> None:
    found = repeated(normal_slices(tiny_dataset), at_least)
    assert sorted(found.indices) == sorted(times * list(range(24)))


def test_unknown_split_lists_the_choices(tiny_dataset: Path) -> None:
    with pytest.raises(PipelineError, match="unknown split 'tets' .*available: train, calibration, validation, test"):
        SliceDataset(tiny_dataset, "tets")


def test_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="dataset.json is missing; run `python -m preprocessing run`"):
        load_manifest(tmp_path)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda m: m.update(version=2), "has format and version"),
        (lambda m: m["splits"]["test"].update(image="../../secret.npy"), "lies outside the dataset: "),
    ],
)
def test_foreign_manifests_are_refused(tiny_dataset: Path, tmp_path: Path, change, message: str) -> None:
    shutil.copytree(tiny_dataset, tmp_path / "d")
    manifest = json.loads((tmp_path / "d" / "dataset.json").read_text())
    change(manifest)
    (tmp_path / "d" / "dataset.json").write_text(json.dumps(manifest))
    with pytest.raises(PipelineError, match=message):
        load_manifest(tmp_path / "d")


def test_scans_without_a_complete_label_are_not_measured(tiny_dataset: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_dataset, tmp_path / "d")
    manifest = json.loads((tmp_path / "d" / "dataset.json").read_text())
    next(item for item in manifest["items"] if item["split"] == "test")["labelled"] = False
    (tmp_path / "d" / "dataset.json").write_text(json.dumps(manifest))
    with pytest.raises(PipelineError, match="split 'test' holds 'sub-test0', whose lesions are not all labelled"):
        SliceDataset(tmp_path / "d", "test")
