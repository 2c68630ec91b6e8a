"""Presets of the attention methods: the published code, and the papers' data sets."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import bundles
from pipeline.bundle_file import load
from pipeline.catalogue import available, available_methods
from pipeline.data import normal_slices
from pipeline.errors import PipelineError
from pipeline.keys import READ_BY_MONAI
from pipeline.leaderboard import run_leaderboard
from pipeline.metrics import load_thresholds
from pipeline.references import nouns
from pipeline.report import load_results
from pipeline.workflow import MethodWorkflow


def test_the_reference_differs_from_the_paper_by_its_named_options(tiny_dataset: Path) -> None:
    found = {}
    for presets in ("", "reference"):
        for method in ("amcons", "gradcamcons_log_barrier", "vae", "ae"):
            workflow = MethodWorkflow(method=method, presets=presets, dataset_dir=str(tiny_dataset))
            workflow.initialize()
            get = workflow.parser.get_parsed_content
            loss = get("loss")
            found[method, presets] = (loss.pixels, loss.kl_images, getattr(get("inferer"), "sample", None)) + tuple(
                getattr(loss.constraint, name, None) for name in ("region", "slack", "weighting")
            )
    paper, code = ("sum", "mean"), "reference"
    assert found["amcons", ""] == (*paper, None, "brain", None, None)
    assert found["amcons", code] == (*paper, None, "batch_mask", None, None)
    assert found["gradcamcons_log_barrier", ""] == (*paper, None, "frame", 0.0, "gradients")
    assert found["gradcamcons_log_barrier", code] == (*paper, None, "frame", 0.01, "none")
    assert found["vae", ""] == found["ae", ""] == (*paper, False, None, None, None)
    assert found["vae", code] == ("sum", "sum", True, None, None, None)
    assert found["ae", code] == ("mean", "mean", True, None, None, None)


def test_tuned_weights_are_those_of_each_method(tiny_dataset: Path) -> None:
    found = {}
    for method, presets in (("amcons", ""), ("amcons", "tuned"), ("cavga", "tuned")):
        workflow = MethodWorkflow(method=method, presets=presets, dataset_dir=str(tiny_dataset))
        workflow.initialize()
        get = workflow.parser.get_parsed_content
        found[method, presets] = (get("loss").constraint_weight, get("card")["preset"])
    assert found == {
        ("amcons", ""): (0.1, "paper"),
        ("amcons", "tuned"): (300.0, "tuned"),
        ("cavga", "tuned"): (1000.0, "tuned"),
    }
    for method, override in (
        ("cavga", {"tuned_constraint_weight": "$None"}),
        ("amcons", {"constraint_weight": "$None"}),
    ):
        workflow = MethodWorkflow(method=method, presets="tuned", dataset_dir=str(tiny_dataset), **override)
        workflow.initialize()
        with pytest.raises(PipelineError, match="has no constraint_weight"):
            workflow.run()


def test_the_command_line_overrides_a_tuned_weight(tiny_dataset: Path) -> None:
    arguments = {"presets": "tuned", "dataset_dir": str(tiny_dataset), "constraint_weight": 7.0}
    assert MethodWorkflow(method="amcons", **arguments).parser.get_parsed_content("loss").constraint_weight == 7


def test_tuned_methods_stand_beside_the_floors(tiny_dataset: Path, tmp_path: Path) -> None:
    methods = ["amcons", "vae", "intensity", "untrained_amcons"]
    run_leaderboard(methods, tiny_dataset, tmp_path, presets="tuned", max_epochs=1, precision="fp32")
    assert set(load_results(tmp_path)["card_preset"]) == {"tuned"}


@pytest.mark.parametrize("presets", ["tuned,reference", "reference,tuned"])
def test_the_card_names_all_presets(presets: str, tiny_dataset: Path) -> None:
    workflow = MethodWorkflow(method="amcons", presets=presets, dataset_dir=str(tiny_dataset))
    assert workflow.parser.get_parsed_content("card")["preset"] == presets.replace(",", " + ")


@pytest.mark.parametrize(
    "presets, missing",
    [("follow_test", "train::before::follow::dataset"), ("follow_test,follow_maps", "train::before::follow::")],
)
def test_a_preset_without_the_one_that_it_changes_is_refused(presets: str, missing: str, tiny_dataset: Path) -> None:
    with pytest.raises(PipelineError, match=f"follow_test.yaml needs '{missing}"):
        MethodWorkflow(method="amcons", presets=presets, dataset_dir=str(tiny_dataset))


@pytest.mark.parametrize("preset, rate, latent", [("brats2019", None, 32), ("physionet_ich", 1e-5, 128)])
def test_settings_of_the_papers_data_sets(preset: str, rate: float | None, latent: int, tiny_dataset: Path) -> None:
    arguments = {"presets": preset, "dataset_dir": str(tiny_dataset)}
    for method in ("amcons", "vae", "untrained_amcons", "cavga", "spa"):
        changed = MethodWorkflow(method=method, **arguments, **{"manifest::expected": {}})
        own = MethodWorkflow(method=method, dataset_dir=str(tiny_dataset))
        for name in ("batch_size", "max_epochs", "erosion_mm"):
            assert changed.parser[name] == own.parser[name]
        assert changed.parser["learning_rate"] == (rate or own.parser["learning_rate"])
        assert changed.parser["latent_size"] == latent
    workflow = MethodWorkflow(method="amcons", **arguments)
    workflow.initialize()
    with pytest.raises(PipelineError, match="asks for image_size 224; the dataset .* has 32"):
        workflow.run()


def test_the_reference_runs_and_reports_the_validation_part(tiny_dataset: Path, tmp_path: Path) -> None:
    override = {"max_epochs": 2, "precision": "fp32"}
    results = run_leaderboard(["amcons", "histeq"], tiny_dataset, tmp_path, presets="reference", **override)
    assert set(results["card_preset"]) == {"reference"}
    assert set(results["card_support"]) == {"brain eroded 6 x 6 px"}
    folder = tmp_path / "amcons" / "seed-0"
    assert list(pd.read_csv(folder / "scans.csv")["scan"]) == ["sub-validation0", "sub-validation1"]
    assert pd.read_csv(folder / "training.csv")["constraint"].isna().tolist() == [True, False]
    rules = {threshold.rule: threshold for threshold in load_thresholds(folder / "thresholds.json")}
    slices = len(normal_slices(tiny_dataset, "calibration"))
    assert rules["p98"].parameters == {"q": 98, "frame_pixels": slices * 32 * 32}
    row = results[results["method"] == "amcons"].iloc[0]
    assert row["dice@val_op"] == row["dice@oracle"], "its threshold has seen the labels"


def test_maps_in_0_1_also_have_the_threshold_of_the_paper(tiny_dataset: Path, tmp_path: Path) -> None:
    results = run_leaderboard(["cavga"], tiny_dataset, tmp_path, max_epochs=1, precision="fp32")
    rules = {threshold.rule: threshold for threshold in load_thresholds(tmp_path / "cavga/seed-0/thresholds.json")}
    assert rules["0.5"].value == 0.5 and rules["0.5"].source == "given"
    assert 0 <= results["dice@0.5"].item() <= results["dice@oracle"].item()


def _classes(parser) -> dict[str, str]:
    """The classes that make a method what it is, as its file says."""
    places = ["network_def", "loss", "constraint", "inferer", "optimizer", "train::trainer", "train::trainer::inferer"]
    found = {place: parser.get(place) for place in places if place in parser}  # a method that is fitted has fewer
    return {place: value["_target_"] if isinstance(value, dict) else value for place, value in found.items()}


@pytest.mark.parametrize("method", available_methods())
def test_with_every_preset_a_method_is_itself_and_its_row_names_the_preset(method: str, tiny_dataset: Path) -> None:
    own = _classes(MethodWorkflow(method=method, dataset_dir=str(tiny_dataset)).parser)
    for preset in available("preset"):
        try:
            parser = MethodWorkflow(method=method, presets=preset, dataset_dir=str(tiny_dataset)).parser
        except PipelineError as refusal:
            assert preset.startswith("follow_") and f"which the method '{method}' does not have" in str(refusal)
            continue
        assert _classes(parser) == own
        row = parser["evaluate::results::row"]
        assert row["presets"] == "@recipe::presets" and parser["recipe"]["presets"] == preset == parser["preset"]
        assert parser["card::preset"] == "@preset"


def test_every_key_of_the_base_and_its_parts_is_read_by_something() -> None:
    files = {file: load(file) for file in bundles.ROOT.rglob("*.yaml") if "ablations" not in file.parts}
    read = {noun for pairs in files.values() for noun in nouns(pairs)}
    read |= {*READ_BY_MONAI, "parts", "preset", "recipe", "inputs"}  # of the workflow and the key of a run
    shared = [file for file in files if file.is_relative_to(bundles.ROOT / "base")]
    dead = {key for file in shared for key in files[file] if "::" not in key and not key.startswith("run_")} - read
    assert not dead
