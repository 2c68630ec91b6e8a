"""Every folder of bundles/ is a method that trains, resumes, calibrates and evaluates."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml

import bundles
from pipeline.catalogue import available_methods, method_table
from pipeline.data import SliceDataset
from pipeline.errors import PipelineError
from pipeline.leaderboard import run_leaderboard
from pipeline.metadata import metadata
from pipeline.metrics import load_thresholds
from pipeline.workflow import MethodWorkflow

CHEAP = {
    "ddpm": {
        "network_def#channels": [8, 16],
        "network_def#attention_levels": [False, True],
        "network_def#num_head_channels": 8,
        "network_def#norm_num_groups": 8,
        "inferer#start": 20,
        "tuning#candidates": {"start": [10, 20]},
    },
    "ensemble": {"inferer#passes": 3},
    "bayesian_ae": {"inferer#passes": 3},
    "bayesian_vae": {"inferer#passes": 3},
    "restoration_vae": {"inferer#steps": 2, "tuning#candidates": {"step": [0.01, 0.03]}},
    "fanogan": {"critic_steps": 2},
    "caae": {"critic_steps": 2},
    "spa": {"perceptual_weight": 0},
    "gmvae": {"perceptual_weight": 0},
    "gm_ir": {"perceptual_weight": 0, "inferer#steps": 2, "tuning#candidates": {"step": [0.01, 0.03]}},
    "spatial_vae": {"perceptual_weight": 0},
    "gradcam_d_vae": {"latent_size": 4},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.mark.parametrize("method", available_methods())
def test_method_from_training_to_its_row(method: str, tiny_dataset: Path, runs: Path) -> None:
    override = {"max_epochs": 1, "precision": "fp32", **CHEAP.get(method, {})}
    results = run_leaderboard([method], tiny_dataset, runs, **override)
    row = results[results["method"] == method].iloc[0]
    assert 0 < row["auprc_lower"] <= row["auprc"] <= row["auprc_upper"] <= 1
    assert row["card_simulated"] and row["card_support"] == "brain eroded 3.2 mm"
    folder = runs / method / "seed-0"
    rules = [threshold.rule for threshold in load_thresholds(folder / "thresholds.json")]
    assert rules[:4] == ["val_op", "p90", "p95", "p98"]
    scans = pd.read_csv(folder / "scans.csv")
    assert list(scans["scan"]) == [f"sub-test{index}" for index in range(4)]
    anomaly = nib.load(folder / "maps" / "sub-test0_anomaly.nii.gz")
    assert anomaly.shape == (32, 32, 3) and np.isfinite(anomaly.get_fdata()).all()
    brain = np.moveaxis(SliceDataset(tiny_dataset, "test").arrays["brain"][:3], 0, -1)
    assert not anomaly.get_fdata()[brain == 0].any(), "maps are zero outside the brain"


@pytest.mark.parametrize("method", ["base", *available_methods()])
def test_files_of_a_method(method: str) -> None:
    folder = bundles.ROOT / "base" if method == "base" else bundles.ROOT / method / "configs"
    metadata = json.loads((folder / "metadata.json").read_text())
    assert metadata["version"] in metadata["changelog"]
    if method != "base":
        text = (folder / "method.yaml").read_text()
        assert len([line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]) <= 25
        assert yaml.safe_load(text)["method"] == method
        assert (bundles.ROOT / method / "docs" / "README.md").is_file()


@pytest.mark.parametrize("method", available_methods())
def test_metadata_is_what_the_facts_say(method: str) -> None:
    found = json.loads((bundles.ROOT / method / "configs" / "metadata.json").read_text())
    assert found == metadata(method), "run: lesionless methods --metadata"


def test_a_fact_that_nobody_reads_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(bundles.ROOT / "vae" / "configs", tmp_path / "configs")
    (tmp_path / "configs" / "facts.yaml").write_text("description: a\nreferences: []\nlicense: MIT\n")
    monkeypatch.setattr("pipeline.metadata.method_file", lambda method: tmp_path / "configs" / "method.yaml")
    with pytest.raises(PipelineError, match="unknown fact 'license' of the method 'vae'; available: description, "):
        metadata("vae")


def test_the_table_of_methods_is_up_to_date() -> None:
    found = (bundles.ROOT / "README.md").read_text()
    assert found == method_table(), "run: lesionless methods --markdown > bundles/README.md"


def test_base_is_short_and_no_file_is_too_wide_to_read() -> None:
    assert len((bundles.ROOT / "base/base.yaml").read_text().splitlines()) <= 120
    longest = {path: max(map(len, path.read_text("utf-8").splitlines())) for path in bundles.ROOT.rglob("*.yaml")}
    assert not [path for path, width in longest.items() if width > 120]


@pytest.mark.parametrize("stage, message", [("calibrate", "missing checkpoint"), ("evaluate", "missing checkpoint")])
def test_random_weights_are_never_scored(stage: str, message: str, tiny_dataset: Path, tmp_path: Path) -> None:
    workflow = MethodWorkflow(method="vae", stage=stage, dataset_dir=str(tiny_dataset), runs_dir=str(tmp_path))
    workflow.initialize()
    with pytest.raises(Exception, match=message):
        workflow.run()
    assert not list(tmp_path.rglob("metrics.csv"))


def test_evaluation_needs_thresholds(tiny_dataset: Path, tmp_path: Path) -> None:
    workflow = MethodWorkflow(
        method="intensity", stage="evaluate", dataset_dir=str(tiny_dataset), runs_dir=str(tmp_path)
    )
    workflow.initialize()
    with pytest.raises(PipelineError, match="missing thresholds .*run the stage calibrate first"):
        workflow.run()


def test_results_of_another_configuration_are_not_mixed(tiny_dataset: Path, tmp_path: Path) -> None:
    run_leaderboard(["intensity"], tiny_dataset, tmp_path)
    with pytest.raises(PipelineError, match="holds another run: erosion_mm was 3.2, is 0;"):
        run_leaderboard(["intensity"], tiny_dataset, tmp_path, erosion_mm=0)


def test_a_square_brighter_than_the_disc_is_found_by_intensity(tiny_dataset: Path, tmp_path: Path) -> None:
    results = run_leaderboard(["intensity"], tiny_dataset, tmp_path)
    assert results["auroc"].item() > 0.95


def test_learned_methods_are_compared_with_the_best_floor(tiny_dataset: Path, tmp_path: Path) -> None:
    results = run_leaderboard(["intensity", "histeq", "vae"], tiny_dataset, tmp_path, max_epochs=1)
    floors, learned = results[results["floor"]], results[~results["floor"]].iloc[0]
    best = floors.loc[floors["auprc"].idxmax()]
    assert learned["best_floor"] == best["method"]
    assert learned["ap_minus_floor"] == pytest.approx(learned["auprc"] - best["auprc"], abs=1e-4)
    assert learned["ap_minus_floor_ci_low"] <= learned["ap_minus_floor"] <= learned["ap_minus_floor_ci_high"]
    assert floors["ap_minus_floor"].isna().all()
    of_scans = floors.loc[floors["scan_ap"].idxmax()]
    assert learned["best_floor_of_scans"] == of_scans["method"]
    assert learned["scan_ap_minus_floor"] == pytest.approx(learned["scan_ap"] - of_scans["scan_ap"])
    assert learned["scan_ap_minus_floor_ci_low"] <= learned["scan_ap_minus_floor"]
    assert learned["scan_ap_minus_floor"] <= learned["scan_ap_minus_floor_ci_high"]


def without_validation(tiny_dataset: Path, root: Path) -> Path:
    shutil.copytree(tiny_dataset, root)
    manifest = json.loads((root / "dataset.json").read_text())
    del manifest["splits"]["validation"]
    manifest["items"] = [item for item in manifest["items"] if item["split"] != "validation"]
    (root / "dataset.json").write_text(json.dumps(manifest))
    return root


def test_without_labelled_validation_thresholds_come_from_normals_alone(
    tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = without_validation(tiny_dataset, tmp_path / "dataset")
    results = run_leaderboard(["histeq", "histeq_smooth"], root, tmp_path / "runs", presets="normals_only")
    assert "not chosen but the method's own: {'sigma_mm': 3.0}" in capsys.readouterr().err
    assert not list(tmp_path.rglob("choices.json"))
    assert results["auprc"].nunique() == 2, "untuned, the smoothed floor keeps the sigma of its method"
    rules = [threshold.rule for threshold in load_thresholds(next(tmp_path.rglob("thresholds.json")))]
    assert rules == ["p90", "p95", "p98"]
    assert "dice@val_op" not in results and results["dice@p95"].notna().all()


@pytest.mark.parametrize("method", ["gm_ir", "restoration_vae"])
def test_what_normals_can_choose_is_chosen_without_labelled_validation(
    method: str, tiny_dataset: Path, tmp_path: Path
) -> None:
    root = without_validation(tiny_dataset, tmp_path / "dataset")
    override = {"max_epochs": 1, "precision": "fp32", **CHEAP[method]}
    run_leaderboard([method], root, tmp_path / "runs", presets="normals_only", **override)
    choices = json.loads((tmp_path / f"runs/{method}/seed-0/choices.json").read_text())
    assert choices["criterion"] == "minus the objective on calibration"
    values = {row["step"]: row["value"] for row in choices["tried"]}
    assert choices["chosen"]["step"] == max(values, key=lambda step: values[step]) and list(values) == [0.01, 0.03]
