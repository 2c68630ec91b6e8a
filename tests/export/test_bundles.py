"""Every method is exported, and each bundle goes through MONAI's verbs and the keys of MONAI Label and Deploy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow, ckpt_export, verify_metadata, verify_net_in_out
from tiny_models import GRID, write_model

from pipeline.catalogue import available_methods
from pipeline.errors import PipelineError
from pipeline.export.bundle import export
from pipeline.export.card import _interval
from pipeline.export.files import probe, run_onnx, run_torchscript
from pipeline.export.scorer_network import AtlasGrid, ScorerNetwork
from pipeline.export.served import build_scorer, check_bundle, load_scorer
from pipeline.inferers import Intensity, Scorer
from pipeline.predict.folder import sha256

SCHEMA = Path(__file__).with_name("metadata_schema.json")
RANDOM = ("draws random numbers for every image", "its map differs from Python's")
pytestmark = pytest.mark.filterwarnings(
    "ignore:`torch.jit:DeprecationWarning", "ignore:.torch.jit", "ignore:NvImgCodec"
)


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    rows: list[str] = []
    yield rows
    heads = ("method", "metadata", "net in/out", "TorchScript", "ONNX", "Label keys", "Deploy keys")
    lines = ["", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *rows]
    sys.stdout.write("\n".join(lines) + "\n")


@pytest.mark.parametrize("method", available_methods())
def test_a_method_is_a_bundle_of_monai(
    method: str, bundle_of: Callable[[str], Path], tiny_dataset: Path, table: list[str], tmp_path: Path
) -> None:
    root = bundle_of(method)
    meta, config = (str(root / "configs" / name) for name in ("metadata.json", "inference.yaml"))
    verify_metadata(meta_file=meta, filepath=str(SCHEMA), hash_val=sha256(SCHEMA), hash_type="sha256")
    common: dict[str, Any] = {"config_file": config, "bundle_root": str(root)}
    verify_net_in_out("network_def", meta_file=meta, device="cpu", **common)
    missing = check_bundle(root)["missing"]
    found = "none: " + missing["model.ts"] if "model.ts" in missing else "equal to Python's"
    if "model.ts" in missing:
        assert any(word in missing["model.ts"] for word in RANDOM), (
            "at this size, all but random scorers have a program"
        )
    else:
        weights = root / "models" / "model.pt"
        ckpt_export("network_def", str(tmp_path / "again.ts"), str(weights), meta_file=meta, **common)
        image = probe(GRID, 2)
        expected = load_scorer(root)(image).detach()
        for path in (root / "models" / "model.ts", tmp_path / "again.ts"):
            assert float((run_torchscript(path, image) - expected).abs().max()) <= 1e-4 * max(1, expected.abs().max())
    properties_are_answered(root, tiny_dataset)
    as_label_reads(root)
    as_deploy_reads(root, has_program="model.ts" not in missing)
    deploy = "no program" if "model.ts" in missing else "ok"
    table.append(f"| {method} | ok | ok | {found} | not tried here | ok | {deploy} |")
    shutil.rmtree(root)


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


def as_label_reads(root: Path) -> None:
    """MONAI Label: one inference file, its keys, and the first entries of network_data_format."""
    assert "detection" not in root.name
    parser = ConfigParser()
    parser.read_config(str(root / "configs" / "inference.yaml"))
    for key in ("network_def", "preprocessing", "postprocessing", "inferer", "device", "bundle_root"):
        assert key in parser, key
    assert parser["preprocessing"]["transforms"][0]["_target_"] == "LoadImaged"
    assert parser["postprocessing"]["transforms"][-1]["_target_"] == "SaveImaged"
    layout = json.loads((root / "configs" / "metadata.json").read_text())["network_data_format"]
    assert next(iter(layout["inputs"])) == "image" and next(iter(layout["outputs"])) == "pred"
    assert layout["inputs"]["image"]["spatial_shape"] == layout["outputs"]["pred"]["spatial_shape"] == [32, 32, 81]


def as_deploy_reads(root: Path, has_program: bool) -> None:
    """MONAI Deploy: metadata and configuration inside of the TorchScript file."""
    if not has_program:
        assert "lesionless" in json.loads((root / "configs/metadata.json").read_text())["required_packages_version"]
        return
    files = {"metadata.json": "", "inference.json": ""}
    torch.jit.load(root / "models" / "model.ts", _extra_files=files)
    assert json.loads(files["metadata.json"])["network_data_format"]["inputs"]["image"]["num_channels"] == 1
    assert {"preprocessing", "postprocessing", "inferer"} <= set(json.loads(files["inference.json"]))


@pytest.mark.parametrize("method", ["amcons", "dae", "gradcamcons_l2"])
def test_onnx_draws_the_same_map(method: str, tiny_dataset: Path, tmp_path: Path) -> None:
    for package in ("onnxruntime", "onnxscript"):
        pytest.importorskip(package, reason="ONNX files need the extra `export`")
    seal = export(write_model(method, tiny_dataset, tmp_path), tmp_path / "bundle", GRID)
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


def write_scan(path: Path, flip: bool = False) -> np.ndarray:
    """A prepared scan; flipped, the same one stored from left to right."""
    image, affine = probe(GRID, 5)[0, 0].numpy(), np.array(GRID.affine)
    if flip:
        image, affine = image[::-1], affine @ np.array([[-1, 0, 0, 31], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    path.parent.mkdir(exist_ok=True)
    nib.save(nib.Nifti1Image(image, affine), path)
    return affine


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
