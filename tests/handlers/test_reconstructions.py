"""The stored reconstruction is the image that the map is the residual of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from ignite.engine import Engine

from pipeline.data import SliceDataset, load_manifest
from pipeline.handlers import Reconstructions, TissueMaps
from pipeline.inferers import Intensity, Residual, Restoration, Scorer
from pipeline.leaderboard import run_leaderboard
from pipeline.metrics.reconstruction import reconstruction_error
from pipeline.networks import SpatialGMVAE, SpatialOutput, load_weights
from pipeline.prior import load_prior

HEALTHY = 3  # the test scan without a lesion


def slices(dataset: Path, scan: int, key: str) -> torch.Tensor:
    test = SliceDataset(dataset, "test", 3.2)
    return torch.stack([test[row][key] for row in range(3 * scan, 3 * scan + 3)])


def volume(path: Path) -> torch.Tensor:
    return torch.from_numpy(np.moveaxis(nib.load(path).get_fdata(dtype=np.float32), -1, 0).copy())[:, None]


def test_of_a_restoration_it_is_the_restored_image(tiny_dataset: Path, tmp_path: Path) -> None:
    steps = {"inferer#steps": 5, "tuning#candidates": {"step": [0.01]}}
    override = {"max_epochs": 1, "precision": "fp32", "perceptual_weight": 0, **steps}
    row = run_leaderboard(["gm_ir"], tiny_dataset, tmp_path, **override).iloc[0]
    folder = tmp_path / "gm_ir" / "seed-0"
    network = load_weights(SpatialGMVAE(32), folder / "model.pt").eval()
    for scan in (0, HEALTHY):
        image, support = (slices(tiny_dataset, scan, key) for key in ("image", "support"))
        drawn, anomaly = (
            volume(folder / f"maps/sub-test{scan}_{name}.nii.gz") for name in ("reconstruction", "anomaly")
        )
        torch.testing.assert_close((image - drawn).abs()[support], anomaly[support], rtol=0, atol=1e-6)
        with torch.no_grad():
            plain = network(image).reconstruction
        assert (drawn - plain).abs().mean() > 0.01, "and not what the network draws of the image"
    error = reconstruction_error(drawn, image, support)
    assert row["healthy_ssim"] == pytest.approx(error.ssim.mean().item(), abs=1e-4)
    assert row["healthy_l1"] == pytest.approx(error.l1.mean().item(), abs=1e-4)


class Shift(torch.nn.Module):
    """Draws the image a tenth brighter; the brightest of its four maps depends on the image."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def forward(self, image: torch.Tensor) -> SpatialOutput:
        self.seen.append(len(image))
        maps = torch.cat([image, 1 - image, image * image, 0.3 + 0 * image], dim=1)
        return SpatialOutput(image + 0.1, maps, maps)


def evaluate(handler: Any, inferer: Any, dataset: Path, scans: tuple[int, ...] = (0, HEALTHY)) -> Shift:
    """One run of test scans, at first one with a lesion and the healthy one."""

    def step(engine: Any, scan: int) -> dict[str, Any]:
        batch = {key: slices(dataset, scan, key) for key in ("image", "support")}
        places = torch.tensor([60, 70, 80])
        scored = inferer(batch["image"], network)._asdict()
        return {**scored, "pred": scored["map"], "label": {**batch, "z": places, "scan": [f"sub-test{scan}"]}}

    network, engine = Shift(), Engine(step)
    engine.network = network  # type: ignore[attr-defined]
    handler.attach(engine)
    engine.run(list(scans))
    return network


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_an_inferer_that_draws_nothing_leaves_it_to_the_network_in_chunks(
    chunk: int, tiny_dataset: Path, tmp_path: Path
) -> None:
    handler = Reconstructions(str(tmp_path), load_manifest(tiny_dataset), chunk)
    network = evaluate(handler, Scorer(Intensity()), tiny_dataset)
    assert max(network.seen) == min(chunk, 3)
    image = slices(tiny_dataset, HEALTHY, "image")
    torch.testing.assert_close(volume(tmp_path / f"maps/sub-test{HEALTHY}_reconstruction.nii.gz"), image + 0.1)
    assert handler.figures()["healthy_l1"] == pytest.approx(0.1, abs=1e-6)


def test_what_an_inferer_drew_is_not_drawn_again(tiny_dataset: Path, tmp_path: Path) -> None:
    handler = Reconstructions(str(tmp_path), load_manifest(tiny_dataset))
    network = evaluate(handler, Scorer(Residual()), tiny_dataset)
    assert network.seen == [3, 3], "once a scan"
    assert handler.figures()["healthy_l1"] == pytest.approx(0.1, abs=1e-6)
    evaluate(handler, Scorer(Residual()), tiny_dataset, (0,))
    assert np.isnan(handler.figures()["healthy_l1"]), "a second run, without a healthy scan, forgets the first"


@torch.no_grad()
def test_inferers_return_what_their_map_is_the_residual_of() -> None:
    image, energy = torch.rand(5, 1, 8, 8), lambda output, x: (output.reconstruction - x.mean()).square().sum((1, 2, 3))
    for inferer in (Residual("signed", chunk=2), Restoration(3, part="signed", chunk=2, energy=energy)):
        scorer = Scorer(inferer)
        for given in (image, image[:3].flip(0)):
            anomaly, drawn, _ = scorer(given, Shift())
            assert drawn is not None and torch.equal(given - drawn, anomaly)
            assert torch.equal(scorer.map(given, Shift()), anomaly)


@pytest.mark.parametrize("chunk", [1, 2])
def test_tissue_maps_do_not_depend_on_chunks(chunk: int, tiny_dataset: Path, tmp_path: Path) -> None:
    tables = []
    for size in (chunk, 100):
        prior = load_prior(tiny_dataset / "prior", tiny_dataset)
        folder = tmp_path / str(size)
        handler = TissueMaps(str(folder), load_manifest(tiny_dataset), prior, str(folder / "none"), size)
        network = evaluate(handler, Intensity(), tiny_dataset)
        assert max(network.seen) == min(size, 3)
        maps = volume(folder / "maps/sub-test0_label-GM_probseg.nii.gz")
        torch.testing.assert_close(maps, 1 - slices(tiny_dataset, 0, "image"))
        tables.append(pd.read_csv(folder / "tissues.csv"))
    pd.testing.assert_frame_equal(*tables)
