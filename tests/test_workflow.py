from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from monai.bundle import ConfigWorkflow

import bundles
from pipeline.bundle_file import load
from pipeline.catalogue import BASE, available_methods, method_file
from pipeline.components import check_words
from pipeline.errors import PipelineError, unwrapped
from pipeline.workflow import MethodWorkflow


def test_floors_and_methods_are_found() -> None:
    assert {"amcons", "vae", "intensity", "histeq", "histeq_smooth", "untrained_amcons"} <= set(available_methods())
    assert "base" not in available_methods()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"method": "amcns"}, "unknown method 'amcns'; available: .*amcons"),
        ({"method": "base"}, "unknown method 'base'"),
        ({"method": "vae", "stage": "trian"}, "unknown stage 'trian'; available: train, calibrate, evaluate"),
        (
            {"method": "vae", "presets": "follow_maps"},
            "follow_maps.yaml needs 'channel_normalisation', which .* 'vae'",
        ),
        ({"method": "vae", "presets": "brats"}, "unknown preset 'brats'; available: "),
        ({"method": "vae", "max_epoch": 3}, "unknown key 'max_epoch' in the command line; did you mean: max_epochs"),
        ({"method": "vae", "train#trainer#max_epoch": 3}, "unknown key 'train::trainer::max_epoch' .*max_epochs"),
        ({"method": "vae", "optimizer::learning": 3}, "unknown key 'optimizer::learning'"),
    ],
)
def test_mistakes_are_refused_with_the_choices(arguments: dict, message: str, tiny_dataset: Path) -> None:
    with pytest.raises(PipelineError, match=message):
        MethodWorkflow(dataset_dir=str(tiny_dataset), **arguments)


@pytest.mark.parametrize("name", ["out#1", "#", "a b#", "$PATH", "@loss", "%x"])
@pytest.mark.parametrize("key", ["runs_dir", "dataset_dir"])
def test_a_path_that_monai_would_read_as_syntax_is_refused(name: str, key: str, tiny_dataset: Path) -> None:
    paths = {"dataset_dir": str(tiny_dataset), key: name}
    with pytest.raises(PipelineError, match=rf"{key} '.*' in the command line: MONAI reads"):
        MethodWorkflow(method="vae", **paths)


@pytest.mark.parametrize("words", [["--runs_dir", "r#1"], ["--runs_dir=r#1"], ["--method", "vae", "x #y"]])
def test_a_value_whose_end_fire_would_cut_off_is_refused(words: list[str]) -> None:
    """`python -m monai.bundle run --runs_dir r#1` wrote its results into the folder `r`."""
    with pytest.raises(PipelineError, match="'.*#.' in the command line: what follows # is a comment there; rename it"):
        check_words(words)


def test_a_key_and_an_expression_may_have_a_hash() -> None:
    check_words(["--optimizer#lr", "1e-3", "--optimizer#lr=1e-3", "--x", "@network#weight", "$len('#')"])


@pytest.mark.parametrize(
    "name", ["a b", "x@y", "x$y", "100%", "a::b", "müller", "it's", '"', "{x}", "~", "a\\b", "1e3"]
)
def test_every_other_path_is_the_one_that_was_given(name: str, tiny_dataset: Path) -> None:
    parser = MethodWorkflow(method="vae", dataset_dir=str(tiny_dataset), runs_dir=name).parser
    assert parser.get_parsed_content("output_dir") == f"{name}/vae/seed-0"


def test_dataset_is_required() -> None:
    with pytest.raises(PipelineError, match="dataset_dir is missing"):
        MethodWorkflow(method="vae")


def test_arguments_of_a_component_may_be_added(tiny_dataset: Path) -> None:
    workflow = MethodWorkflow(method="vae", dataset_dir=str(tiny_dataset), **{"optimizer#weight_decay": 0.1})
    workflow.parser.parse(reset=True)
    assert workflow.parser.get_parsed_content("optimizer").param_groups[0]["weight_decay"] == 0.1


def test_a_misspelt_key_of_a_method_file_is_refused(tiny_dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("method: mine\nconstrain_weight: 3\n")
    with pytest.raises(
        PipelineError, match="unknown key 'constrain_weight' in .*mine.yaml; did you mean: constraint_weight"
    ):
        MethodWorkflow(method=str(tmp_path / "mine.yaml"), dataset_dir=str(tiny_dataset))


def command(*arguments: str, folder: Path) -> subprocess.CompletedProcess:
    start = [sys.executable, "-m", "monai.bundle", "run"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*start, *arguments], cwd=folder, capture_output=True, text=True, env=environment, check=False
    )


def test_the_command_works_from_any_folder_and_refuses_a_misspelt_key(tiny_dataset: Path, tmp_path: Path) -> None:
    common = [
        "--workflow_name",
        "pipeline.workflow.MethodWorkflow",
        "--method",
        "amcons",
        "--dataset_dir",
        str(tiny_dataset),
    ]
    good = command(*common, "--stage", "train", "--max_epochs", "1", folder=tmp_path)
    assert good.returncode == 0, good.stderr
    assert (tmp_path / "runs" / "amcons" / "seed-0" / "model.pt").is_file()
    bad = command(*common, "--max_epoch", "1", folder=tmp_path)
    assert bad.returncode == 1
    assert bad.stderr.splitlines()[-1].startswith("error: unknown key 'max_epoch'")
    assert "Traceback" not in bad.stderr


def files_of(*names: str) -> list[str]:
    return [str(bundles.ROOT / name) for name in names]


def test_the_plain_form_runs_the_same_files_and_refuses_a_misspelt_key(tiny_dataset: Path, tmp_path: Path) -> None:
    files = files_of("base/base.yaml", "vae/configs/method.yaml")
    common = ["run_train", "--config_file", str(files), "--dataset_dir", str(tiny_dataset)]
    bad = command(*common, "--max_epoch", "1", folder=tmp_path)
    assert bad.returncode == 1 and "Traceback" not in bad.stderr
    assert bad.stderr.splitlines()[-1].startswith("error: unknown key 'max_epoch'")
    assert not (tmp_path / "runs").exists()
    good = command(*common, "--max_epochs", "1", folder=tmp_path)
    assert good.returncode == 0, good.stderr
    assert (tmp_path / "runs" / "vae" / "seed-0" / "model.pt").is_file()


@pytest.mark.parametrize(
    "method, override, message",
    [
        ("vae", {"max_epoch": 3}, "unknown key 'max_epoch' in .*; did you mean: max_epochs"),
        ("vae", {"loss_reductions::pixel": "mean"}, "unknown key 'loss_reductions::pixel' in .* mean: pixels"),
        ("vae", {"presets": "tuned"}, "unknown key 'presets' in "),
        ("vae", {"method": "ae"}, "'title' is not that of .* 'ae', .*/ae/configs/method.yaml"),
        (
            "ae",
            {"network_def::variational": True},
            "'network_def::variational' is not that of .* 'ae', .*--method NAME",
        ),
        ("ae", {"optimizer::rate": 1}, "optimizer: torch.optim.Adam has no argument 'rate'"),
        ("ae", {"device": "cuda:99"}, "there is no device 'cuda:99' here; available: cpu"),
    ],
)
def test_the_plain_form_refuses_before_any_work_what_monai_takes(
    method: str, override: dict, message: str, tiny_dataset: Path
) -> None:
    files = files_of("base/base.yaml", f"{method}/configs/method.yaml")
    plain = ConfigWorkflow(files, str(BASE / "metadata.json"), False, dataset_dir=str(tiny_dataset), **override)
    with pytest.raises(PipelineError, match=message) as refusal, unwrapped():
        plain.initialize()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("method", available_methods())
def test_the_plain_form_takes_every_method_with_the_parts_that_it_lists(method: str, tiny_dataset: Path) -> None:
    parts = load(method_file(method)).get("parts", [])
    files = files_of("base/base.yaml", *(f"base/parts/{part}.yaml" for part in parts), f"{method}/configs/method.yaml")
    ConfigWorkflow(files, str(BASE / "metadata.json"), False, dataset_dir=str(tiny_dataset)).initialize()
