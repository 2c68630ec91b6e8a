"""SPA and the methods of its training regime."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from pipeline.errors import PipelineError
from pipeline.leaderboard import run_leaderboard
from pipeline.networks import ResNetAutoencoder, SpatialOutput, SpatialVAE
from pipeline.run_state import made_of
from pipeline.workflow import MethodWorkflow


def workflow(dataset: Path, runs: Path, method: str = "spa", **override) -> MethodWorkflow:
    given = {"perceptual_weight": 0, "precision": "fp32", **override}
    made = MethodWorkflow(method=method, dataset_dir=str(dataset), runs_dir=str(runs), **given)
    made.initialize()
    return made


def test_settings_of_the_paper(tiny_dataset: Path, tmp_path: Path) -> None:
    get = workflow(tiny_dataset, tmp_path).parser.get_parsed_content
    loss, rate = get("loss"), get("optimizer").param_groups[0]["lr"]
    assert (loss.beta, get("network").snr, rate, get("train::loader").batch_size) == (1e-3, 16.0, 5e-4, 2)
    assert get("learning_rate_schedule").gamma == 0.97 and type(loss.latent).__name__ == "KLToShapePrior"
    paper = MethodWorkflow(method="spa", dataset_dir=str(tiny_dataset), runs_dir=str(tmp_path))
    assert paper.parser["perceptual_weight"] == 0.1


def test_the_learning_rate_decays_an_epoch_and_survives_a_kill(tiny_dataset: Path, tmp_path: Path) -> None:
    for epochs in (1, 3):  # the second run goes on where the first one ended
        made = workflow(tiny_dataset, tmp_path, max_epochs=epochs)
        made.run()
        rate = made.parser.get_parsed_content("optimizer").param_groups[0]["lr"]
        assert rate == pytest.approx(5e-4 * 0.97**epochs, rel=1e-9)
    assert pd.read_csv(next(tmp_path.rglob("training.csv")))["epoch"].tolist() == [1, 2, 3]


def test_without_feature_weights_training_is_refused(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    message = r"torchvision.*perceptual_features.*\.onnx.*perceptual_weight: 0"
    with pytest.raises(PipelineError, match=message):
        workflow(tiny_dataset, tmp_path, perceptual_weight=0.1).run()
    assert not list(tmp_path.rglob("model.pt"))


def test_without_a_prior_training_is_refused(tiny_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="no tissue prior in .*python -m preprocessing prior --dataset"):
        workflow(tiny_dataset, tmp_path, prior_dir=str(tmp_path / "none")).run()


def test_the_row_says_whether_the_perceptual_term_took_part_and_which_prior(tiny_dataset: Path, tmp_path: Path) -> None:
    override = {"max_epochs": 1, "precision": "fp32", "perceptual_weight": 0}
    row = run_leaderboard(["spa"], tiny_dataset, tmp_path, **override).iloc[0]
    assert row["perceptual_weight"] == 0 and row["perceptual_features"] == "none"
    assert row["prior"] == "a disc of three rings (0123456789ab)"
    assert "perceptual" not in pd.read_csv(next(tmp_path.rglob("training.csv")))


def test_a_run_with_another_prior_is_not_gone_on_with(tiny_dataset: Path, tmp_path: Path) -> None:
    prior = shutil.copytree(tiny_dataset / "prior", tmp_path / "prior")
    override = {"perceptual_weight": 0, "max_epochs": 1, "precision": "fp32"}
    run_leaderboard(["spa"], tiny_dataset, tmp_path / "runs", **override, prior_dir=str(prior))
    moved = prior.rename(tmp_path / "moved")
    run_leaderboard(["spa"], tiny_dataset, tmp_path / "runs", **override, prior_dir=str(moved))
    (moved / "prior.json").write_text((moved / "prior.json").read_text() + " ")
    with pytest.raises(PipelineError, match="holds another run: content of prior_dir was"):
        run_leaderboard(["spa"], tiny_dataset, tmp_path / "runs", **override, prior_dir=str(moved))


@pytest.mark.parametrize("weight, same", [(0, True), (0.1, False)])
def test_the_feature_network_is_part_of_a_run_where_it_is_used(
    weight: float, same: bool, tiny_dataset: Path, tmp_path: Path
) -> None:
    features, keys = tmp_path / "vgg16.onnx", []
    for content in (b"weights", b"others"):
        features.write_bytes(content)
        override = {"perceptual_weight": weight, "perceptual_features": str(features)}
        keys.append(made_of(MethodWorkflow(method="spa", dataset_dir=str(tiny_dataset), **override).parser, "hash"))
    assert (keys[0] == keys[1]) is same


def test_after_a_refusal_the_same_command_goes_on(tiny_dataset: Path, tmp_path: Path) -> None:
    prior, override = tmp_path / "prior", {"perceptual_weight": 0, "max_epochs": 1, "precision": "fp32"}
    with pytest.raises(PipelineError, match="no tissue prior"):
        run_leaderboard(["spa"], tiny_dataset, tmp_path / "runs", **override, prior_dir=str(prior))
    shutil.copytree(tiny_dataset / "prior", prior)
    assert len(run_leaderboard(["spa"], tiny_dataset, tmp_path / "runs", **override, prior_dir=str(prior))) == 1


def test_the_latent_maps_come_near_the_prior_of_their_slice(tiny_dataset: Path, tmp_path: Path) -> None:
    made = workflow(tiny_dataset, tmp_path, max_epochs=6, learning_rate=5e-3)
    prior, network = made.parser.get_parsed_content("prior"), made.parser.get_parsed_content("network")
    image = made.parser.get_parsed_content("train::dataset")[0]["image"][None]

    def distances() -> tuple[float, float]:
        with torch.no_grad():
            mu, _ = network.eval().encode(image)
        return tuple(float((mu[0] - prior.mean[row]).abs().mean()) for row in (6, 0))

    before, _ = distances()
    made.run()
    log = pd.read_csv(next(tmp_path.rglob("training.csv")))
    assert log["kl"].iloc[-1] < 0.5 * log["kl"].iloc[0] and log["l1"].iloc[-1] < log["l1"].iloc[0]
    after, elsewhere = distances()
    assert after < 0.5 * before and after < elsewhere, "the slice at 60 is the seventh of the prior"


def test_the_preset_trains_another_method_by_the_regime_and_leaves_its_network(tiny_dataset: Path) -> None:
    regime, other = (
        MethodWorkflow(method=method, presets=presets, dataset_dir=str(tiny_dataset)).parser
        for method, presets in (("spatial_vae", ""), ("vae", "bercea2022"))
    )
    for key in ("learning_rate", "learning_rate_decay", "batch_size"):
        assert regime[key] == other[key]
    networks = [type(parser.get_parsed_content("network")) for parser in (regime, other)]
    assert networks == [SpatialVAE, ResNetAutoencoder]
    assert other["preset"] == "bercea2022" and regime["preset"] == "paper"


def test_a_file_of_ones_own_names_the_features_for_all_rows_of_a_table(tiny_dataset: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("preset: mine\nperceptual_features: nowhere.onnx\n")
    for method in ("intensity", "spa"):
        made = MethodWorkflow(method=method, presets=str(mine), dataset_dir=str(tiny_dataset), runs_dir=str(tmp_path))
        made.initialize()
    with pytest.raises(PipelineError, match="no feature network 'nowhere.onnx'"):
        made.run()


def test_postprocessing_is_the_positive_residual_and_a_median(tiny_dataset: Path, tmp_path: Path) -> None:
    override = {"presets": "spa_postprocessing,without_perceptual", "max_epochs": 1, "precision": "fp32"}
    results = run_leaderboard(["spa", "intensity"], tiny_dataset, tmp_path, **override)
    assert set(results["card_postprocessing"]) == {"positive part, median 1x3x3"}
    scorer = workflow(tiny_dataset, tmp_path, presets="spa_postprocessing").parser.get_parsed_content("scorer")
    grey = lambda image, **_: SpatialOutput(torch.full_like(image, 0.5), image, image)  # noqa: E731
    dark, bright = (torch.full((1, 1, 32, 32), value) for value in (0.2, 0.9))
    bright[..., 10, 10] = 0.5
    assert (scorer.map(dark, grey) == 0).all(), "what is darker than drawn does not count"
    torch.testing.assert_close(scorer.map(bright, grey), torch.full_like(bright, 0.4))  # of a single pixel, no trace
