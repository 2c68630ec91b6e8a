"""Every method is exported, and each bundle goes through MONAI's verbs and the keys of MONAI Label and Deploy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_checks import HEADS, documented, row, without_figures
from monai.bundle import ConfigWorkflow, init_bundle
from tiny_models import CHEAP, GRID, write_model, write_scan

from pipeline.catalogue import available_methods
from pipeline.errors import PipelineError
from pipeline.export.bundle import export
from pipeline.export.card import _interval
from pipeline.export.files import probe, run_onnx
from pipeline.export.scorer_network import AtlasGrid, ScorerNetwork
from pipeline.export.served import build_scorer, load_scorer
from pipeline.inferers import Intensity, Scorer

ONNX_TOO = ("dae", "gradcamcons_l2", "histeq")  # forward passes, gradients, ranks; benchmarks/export_table.py tries all
pytestmark = pytest.mark.filterwarnings(
    "ignore:`torch.jit:DeprecationWarning", "ignore:.torch.jit", "ignore:NvImgCodec"
)


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    rows: list[str] = []
    yield rows
    lines = ["", f"| {' | '.join(HEADS)} |", "|---" * len(HEADS) + "|", *rows]
    sys.stdout.write("\n".join(lines) + "\n")


@pytest.mark.parametrize("method", available_methods())
def test_a_method_is_a_bundle_of_monai(
    method: str, bundle_of: Callable[[str], Path], tiny_dataset: Path, table: list[str], tmp_path: Path
) -> None:
    """Each verb runs offline. The schema says in other words what MONAI's says (`monai/bundle/meta_schema.json` of its
    repository, commit 4bd9afc), with the changelog that the checks of its model zoo ask for.
    """
    root = bundle_of(method)
    found = row(root, tmp_path, onnx=method in ONNX_TOO)
    properties_are_answered(root, tiny_dataset)
    table.append(f"| {' | '.join([method, *found.values()])} |")
    shutil.rmtree(root)
    told = documented().get(method, {})
    if any(key.startswith("inferer#") for key in CHEAP.get(method, {})):
        told["TorchScript"] = told["Deploy keys"] = ""  # with all of its steps
    for head, cell in found.items():
        assert told.get(head, "") in ("", without_figures(cell)) or cell == "not tried", head


def properties_are_answered(root: Path, dataset: Path) -> None:
    """MONAI's workflows get an answer for every property that they ask for; a floor has no training."""
    paths = {"meta_file": str(root / "configs" / "metadata.json"), "bundle_root": str(root), "initialize": []}
    infer = ConfigWorkflow(config_file=str(root / "configs" / "inference.yaml"), workflow_type="infer", **paths)
    infer.initialize()
    assert infer.check_properties() == []
    train = ConfigWorkflow(
        config_file=str(root / "configs" / "train.yaml"), workflow_type="train", dataset_dir=str(dataset), **paths
    )
    train.initialize()
    if train.parser["run"]:
        assert train.check_properties() == []
        assert all(hasattr(handler, "attach") for handler in train.train_handlers)


def test_the_onnx_file_draws_the_same_map(tiny_dataset: Path, tmp_path: Path) -> None:
    for package in ("onnxruntime", "onnxscript"):
        pytest.importorskip(package, reason="ONNX files need the extra `export`")
    seal = export(write_model("amcons", tiny_dataset, tmp_path), tmp_path / "bundle", GRID)
    assert not seal["missing"]
    image = probe(GRID, 3)
    expected = load_scorer(tmp_path / "bundle")(image).detach()
    torch.testing.assert_close(run_onnx(tmp_path / "bundle/models/model.onnx", image), expected, atol=1e-4, rtol=0)


def test_weights_are_also_safetensors(bundle_of: Callable[[str], Path]) -> None:
    load = pytest.importorskip("safetensors.torch", reason="the extra `export`").load_file
    folder = bundle_of("amcons") / "models"
    weights, same = torch.load(folder / "model.pt", weights_only=True), load(folder / "model.safetensors")
    assert weights.keys() == same.keys()
    assert all(torch.equal(weights[name], same[name]) for name in weights)


def run_inference(root: Path, images: Path, out: Path, folder: Path | None = None) -> subprocess.CompletedProcess:
    """MONAI's plain form, in the folder of the bundle, or in another one with whole paths."""
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file"]
    place = ["configs/inference.yaml"] if folder is None else [f"{root}/configs/inference.yaml", "--bundle_root", root]
    given = ["--dataset_dir", images, "--output_dir", out]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    words = [*map(str, [*command, *place, *given])]
    return subprocess.run(words, cwd=folder or root, env=environment, capture_output=True, text=True)


def test_the_map_lies_on_the_grid_of_the_file(bundle_of: Callable[[str], Path], tmp_path: Path) -> None:
    root = bundle_of("amcons")
    write_scan(tmp_path / "images" / "a.nii.gz")
    affine = write_scan(tmp_path / "images" / "b.nii.gz", flip=True)
    done = run_inference(root, tmp_path / "images", tmp_path / "maps", folder=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "skipping logging" not in done.stdout + done.stderr, "configs/logging.conf is found, and MONAI takes it"
    plain, flipped = (nib.load(tmp_path / "maps" / f"{name}_anomaly.nii.gz") for name in "ab")
    expected = load_scorer(root)(probe(GRID, 5))[0, 0].detach().numpy()
    np.testing.assert_allclose(plain.get_fdata(), expected, atol=1e-4)
    np.testing.assert_allclose(flipped.affine, affine)
    np.testing.assert_allclose(flipped.get_fdata()[::-1], expected, atol=1e-4)


def test_a_program_of_another_method_or_a_changed_file_is_refused(
    bundle_of: Callable[[str], Path], tmp_path: Path
) -> None:
    shutil.copytree(bundle_of("amcons"), tmp_path / "mine")
    write_scan(tmp_path / "images" / "a.nii.gz")
    shutil.copy(bundle_of("vae") / "models" / "model.ts", tmp_path / "mine" / "models")
    done = run_inference(tmp_path / "mine", tmp_path / "images", tmp_path / "maps")
    assert done.returncode != 0 and "models/model.ts is not the file that was exported" in done.stderr
    assert not (tmp_path / "maps").exists()
    with pytest.raises(PipelineError, match=r"model.ts' is not the file that was exported \(SHA-256 differs\)"):
        load_scorer(tmp_path / "mine")
    (tmp_path / "mine" / "models" / "model.ts").unlink()
    with pytest.raises(PipelineError, match="model.ts' is missing; copy the bundle again"):
        load_scorer(tmp_path / "mine")


def test_weights_of_another_network_are_refused(tiny_dataset: Path, tmp_path: Path) -> None:
    write_model("vae", tiny_dataset, tmp_path)
    other = write_model("ae", tiny_dataset, tmp_path)
    shutil.copy(tmp_path / "model" / "vae" / "model.pt", other)
    with pytest.raises(PipelineError, match="model.pt' is not the file that was packed"):
        export(other, tmp_path / "bundle", GRID, onnx=False)
    with pytest.raises(PipelineError, match="model.pt' does not fit this network"):
        build_scorer(other, GRID)
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("name, message", [("detection", "rename it"), ("full", "is there and is not a bundle")])
def test_a_folder_that_cannot_be_a_bundle_is_refused(
    name: str, message: str, tiny_dataset: Path, tmp_path: Path
) -> None:
    model = write_model("intensity", tiny_dataset, tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(PipelineError, match=message):
        export(model, tmp_path / name, GRID)
    assert (tmp_path / "full" / "notes.txt").read_text() == "mine"


def test_the_evaluator_is_an_engine_of_ignite(bundle_of: Callable[[str], Path], tmp_path: Path) -> None:
    """MONAI's workflows and MONAI Deploy run `evaluator` in place of `run`; its map is the same."""
    root = bundle_of("intensity")
    write_scan(tmp_path / "images" / "a.nii.gz")
    given = {"bundle_root": str(root), "dataset_dir": str(tmp_path / "images"), "output_dir": str(tmp_path / "maps")}
    config, meta = (str(root / "configs" / name) for name in ("inference.yaml", "metadata.json"))
    workflow = ConfigWorkflow(config, meta, False, workflow_type="infer", initialize=[], **given)
    workflow.initialize()
    workflow.evaluator.run()
    expected = load_scorer(root)(probe(GRID, 5))[0, 0].detach().numpy()
    np.testing.assert_allclose(nib.load(tmp_path / "maps" / "a_anomaly.nii.gz").get_fdata(), expected, atol=1e-4)


def test_a_bundle_has_what_init_bundle_makes(bundle_of: Callable[[str], Path], tmp_path: Path) -> None:
    """Every folder and kind of file has its counterpart: YAML for JSON, LICENSE where the model zoo has it."""
    torch.save({}, tmp_path / "weights.pt")
    init_bundle(tmp_path / "made", ckpt_file=tmp_path / "weights.pt")
    root = bundle_of("intensity")
    for path in (tmp_path / "made").rglob("*"):
        name = str(path.relative_to(tmp_path / "made"))
        assert (root / {"configs/inference.json": "configs/inference.yaml"}.get(name, name)).exists(), name


def test_the_card_has_intervals_over_patients_not_the_bounds_of_the_bins() -> None:
    row = {"auprc": 0.5, "auprc_lower": 0.49, "auprc_upper": 0.51, "auprc_ci_low": 0.3, "auprc_ci_high": 0.7}
    assert _interval(row, "auprc") == "0.500 [0.300, 0.700]"
    assert _interval({"auprc": 0.5, "auprc_lower": 0.49, "auprc_upper": 0.51}, "auprc") == "0.500"


def test_intensity_comes_back_where_it_was() -> None:
    """On a grid with a pixel a voxel, the map of the floor `intensity` is the image itself."""
    grid = AtlasGrid((16, 16, 6), torch.eye(4).tolist(), size=16, first=0, step=1, tissue_share=0.001)
    image = probe(grid, 0)
    for whole in (False, True):
        network = ScorerNetwork(torch.nn.Identity(), Scorer(Intensity()), grid, whole=whole)
        torch.testing.assert_close(network(image), image)
    assert not network(torch.zeros_like(image)).any(), "no tissue, no anomaly"
    with pytest.raises(PipelineError, match=r"must be \[B, 1, 16 x 16 x 6\], the grid of the atlas; got \[1, 1, 8"):
        network(torch.zeros(1, 1, 8, 8, 8))
