"""Reconstructions, tissue maps and the distance at the oracle's threshold, of a whole run on the tiny dataset."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch

from pipeline import report
from pipeline.data import SliceDataset
from pipeline.errors import PipelineError
from pipeline.leaderboard import run_leaderboard
from pipeline.losses import KLToShapePrior
from pipeline.metrics.overlap import surface_distance
from pipeline.metrics.reconstruction import reconstruction_error
from pipeline.metrics.tissues import tissue_dice
from pipeline.networks import SpatialVAE, load_weights
from pipeline.prior import load_prior

OVERRIDE = {"max_epochs": 1, "precision": "fp32", "perceptual_weight": 0}


@pytest.fixture(scope="module")
def dataset(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny dataset; the segmentation of one healthy test scan is GM on the left and background elsewhere."""
    root = Path(shutil.copytree(tiny_dataset, tmp_path_factory.mktemp("outputs") / "dataset"))
    folder = root / "prior" / "segmentations"
    folder.mkdir()
    labels = np.zeros((240, 240, 40), np.uint8)
    labels[:120] = 2
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:2, 3] = -3.25  # a voxel of 7.5 mm starts half of it before its centre
    affine[2, 3] = -10
    nib.save(nib.Nifti1Image(labels, affine), folder / "sub-test3_space-SRI24_dseg.nii.gz")
    for scan in ("sub-test0", "sub-test3"):  # of other sessions, whose scans have ids that start alike
        nib.save(nib.Nifti1Image(3 - labels, affine), folder / f"{scan}_ses-2_space-SRI24_dseg.nii.gz")
    return root


@pytest.fixture(scope="module")
def run(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.Series]:
    runs = tmp_path_factory.mktemp("runs")
    return runs, run_leaderboard(["spa"], dataset, runs, **OVERRIDE).iloc[0]


def drawn(dataset: Path, runs: Path, scan: int):
    network = load_weights(SpatialVAE(32, heads="sigmoid"), runs / "spa/seed-0/model.pt")
    test = SliceDataset(dataset, "test", 3.2)
    items = [test[row] for row in range(3 * scan, 3 * scan + 3)]
    image, support = (torch.stack([item[key] for item in items]) for key in ("image", "support"))
    with torch.no_grad():
        return network(image), image, support


def test_reconstructions_and_tissue_maps_are_those_of_the_network(run, dataset: Path) -> None:
    runs, row = run
    output, image, support = drawn(dataset, runs, 3)
    maps = runs / "spa" / "seed-0" / "maps"
    read = lambda name: np.moveaxis(nib.load(maps / f"sub-test3_{name}.nii.gz").get_fdata(), -1, 0)  # noqa: E731
    np.testing.assert_allclose(read("reconstruction"), output.reconstruction[:, 0], atol=1e-5)
    for label, tissue in enumerate(("CSF", "GM", "WM")):
        np.testing.assert_allclose(read(f"label-{tissue}_probseg"), output.mu[:, label], atol=1e-5)
    error = reconstruction_error(output.reconstruction, image, support)
    assert row["healthy_ssim"] == pytest.approx(error.ssim.mean().item(), abs=1e-4), "the one healthy test scan"
    assert row["healthy_l1"] == pytest.approx(error.l1.mean().item(), abs=1e-4)


def test_tissues_are_compared_with_the_scans_own_segmentation_or_the_prior(run, dataset: Path) -> None:
    runs, row = run
    table = pd.read_csv(runs / "spa/seed-0/tissues.csv").set_index("scan")
    assert table["reference"].to_dict() == {f"sub-test{i}": "own" if i == 3 else "prior" for i in range(4)}
    tissue = drawn(dataset, runs, 3)[0].mu.argmax(dim=1)
    left = torch.zeros(3, 32, 32, dtype=torch.bool)
    left[:, :16] = True
    expected = 2 * ((tissue == 1) & left).sum() / ((tissue == 1).sum() + left.sum())
    assert table.loc["sub-test3", "dice_GM"] == pytest.approx(expected.item(), abs=1e-6)
    assert row["tissue_dice_GM@own"] == table.loc["sub-test3", "dice_GM"], "the one healthy scan"


def test_dice_of_tissues() -> None:
    found, expected = torch.tensor([0, 0, 1, 3]), torch.tensor([0, 1, 1, 3])
    dice = tissue_dice(found, expected)
    assert dice["dice_CSF"] == dice["dice_GM"] == pytest.approx(2 / 3) and np.isnan(dice["dice_WM"])


def test_the_report_shows_the_tissue_maps(run) -> None:
    runs, _ = run
    figure = report.tissues(runs, "spa")
    shown = [ax for ax in figure.axes if ax.images]
    assert len(shown) == 4 * 6, "one healthy scan and three with lesions; image, reconstruction, three tissues, map"
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert {"p(CSF)", "p(GM)", "p(WM)", "reconstruction"} <= set(texts)
    maps = runs / "spa" / "seed-0" / "maps"
    wanted = np.rot90(nib.load(maps / "sub-test3_label-GM_probseg.nii.gz").get_fdata()[:, :, 0])
    row = next(i for i, text in enumerate(t for t in texts if "slice" in t) if text.startswith("sub-test3"))
    panel = shown[6 * row + 3].images[0].get_array()
    rows, columns = panel.shape
    found = [np.array_equal(panel, wanted[i : i + rows, j : j + columns].astype(panel.dtype))
             for i in range(33 - rows) for j in range(33 - columns)]  # fmt: skip
    assert any(found), "the panel is a part of the map, upright"
    assert "Tissue maps of SPA" in report.page(runs).read_text()
    with pytest.raises(PipelineError, match="'vae' kept no tissue maps in .*available: spa"):
        report.tissues(runs, "vae")


def test_the_distance_is_that_of_the_masks_of_the_best_dice(run, dataset: Path) -> None:
    runs, row = run
    test = SliceDataset(dataset, "test", 3.2)
    distances = []
    for scan in range(3):
        items = [test[index] for index in range(3 * scan, 3 * scan + 3)]
        path = runs / f"spa/seed-0/maps/sub-test{scan}_anomaly.nii.gz"
        anomaly = torch.from_numpy(np.moveaxis(nib.load(path).get_fdata(), -1, 0))
        lesion, support = (torch.stack([item[key][0] for item in items]) for key in ("lesion", "support"))
        mask = (anomaly >= row["threshold@oracle"]) & support
        distances.append(surface_distance(mask, lesion & support, (1.0, 7.5, 7.5)))
    assert row["hd@oracle"] == pytest.approx(np.mean([distance.hd for distance in distances]), rel=1e-5)
    assert row["hd95@oracle"] == pytest.approx(np.mean([distance.hd95 for distance in distances]), rel=1e-5)


def test_terms_of_held_out_normals_are_those_of_the_calibration_split(run, dataset: Path) -> None:
    runs, row = run
    network = load_weights(SpatialVAE(32, heads="sigmoid"), runs / "spa/seed-0/model.pt")
    held_out = SliceDataset(dataset, "calibration")
    items = [held_out[index] for index in range(len(held_out))]
    image = torch.stack([item["image"] for item in items])
    with torch.no_grad():
        output = network(image)
    kl = KLToShapePrior(load_prior(dataset / "prior", dataset))(output, {"z": torch.tensor([i["z"] for i in items])})
    assert row["held_out_kl"] == pytest.approx(kl.mean().item(), rel=1e-4)
    assert row["held_out_l1"] == pytest.approx((output.reconstruction - image).abs().mean().item(), rel=1e-4)
