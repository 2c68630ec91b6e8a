"""What is wrong with a model or a bundle is refused by name, with the cause and the way out."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigWorkflow
from tiny_models import GRID, write_model

from pipeline.errors import PipelineError, root_of, unwrapped
from pipeline.export.bundle import export
from pipeline.export.files import probe
from pipeline.export.served import SEAL, check_bundle, load_scorer
from pipeline.lock import locked
from pipeline.predict.folder import seal
from pipeline.predict.model import TRAINING

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning", "ignore:.torch.jit")
OWN = "method: mine\ntitle: Mine\n"


@pytest.fixture(scope="module")
def floor(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported floor, whose program is small."""
    root = tmp_path_factory.mktemp("floor")
    export(write_model("intensity", tiny_dataset, root), root / "bundle", GRID, onnx=False)
    return root / "bundle"


def opened(root: Path, file: str = "inference.yaml", **override: Any) -> ConfigWorkflow:
    """What `python -m monai.bundle run --config_file configs/FILE` makes of the bundle, before it runs."""
    paths = (str(root / "configs" / name) for name in (file, "metadata.json"))
    given = {"bundle_root": str(root), **override}
    return ConfigWorkflow(*paths, False, workflow_type="infer", **given)


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_what_a_killed_export_left_goes_and_two_at_once_do_not_mix(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, here = write_model("intensity", tiny_dataset, tmp_path), tmp_path / "here"
    left = tmp_path / ".here.part" / "here" / "models" / "model.pt"
    left.parent.mkdir(parents=True)
    left.write_text("half")
    with locked(tmp_path / ".here.part"), pytest.raises(PipelineError, match="is at work there"):
        export(model, here, GRID, onnx=False)
    here.mkdir()
    monkeypatch.chdir(here)
    made = export(model, Path(), GRID, onnx=False)
    assert not left.exists() and made["files"] == json.loads((here / SEAL).read_text())["files"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


@pytest.mark.parametrize(
    "content, message",
    [
        ('{"format": ', "truncated or not JSON; copy it again"),
        ("[1, 2]", r"bundle.json must be a mapping, got \[1, 2\]"),
        ("{}", "bundle.json: release is missing"),
    ],
)
def test_a_corrupt_seal_is_refused(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / SEAL).write_text(content)
    with pytest.raises(PipelineError, match=message):
        check_bundle(tmp_path)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"release": "9.9.9"}, r"is of release 9.9.9, this is lesionless .*: pip install lesionless==9.9.9, or export"),
        ({"grid": {"shape": [1, 2]}}, "bundle.json: grid: shape must be a list of 3"),
        ({"files": {"../x": "0"}}, "its file '../x' lies outside; the bundle is not used"),
        ({"files": {"models/none": "0"}}, "models/none' is missing; copy the bundle again"),
    ],
)
def test_a_seal_of_something_else_is_refused(values: dict, message: str, floor: Path, tmp_path: Path) -> None:
    shutil.copy(floor / SEAL, tmp_path)
    change(tmp_path / SEAL, **values)
    with pytest.raises(PipelineError, match=message):
        check_bundle(tmp_path)


@pytest.mark.parametrize("name", ["configs/metadata.json", "models/model.ts"])
def test_metadata_or_program_of_another_bundle_is_refused_without_this_package(
    name: str, floor: Path, tmp_path: Path
) -> None:
    """`inference.yaml` itself knows both files, in expressions that need nothing but Python."""
    root = shutil.copytree(floor, tmp_path / "bundle")
    opened(root).initialize()
    assert torch.is_grad_enabled(), "a server that also trains goes on to do so"
    (root / name).write_bytes((root / name).read_bytes() + b" ")
    with pytest.raises(RuntimeError) as refusal:
        opened(root).initialize()
    assert (
        str(root_of(refusal.value))
        == f"{name} is not the file that was exported with this bundle; copy the bundle again"
    )
    with pytest.raises(PipelineError, match=f"{name}' is not the file that was exported .SHA-256 differs"):
        load_scorer(root)


def test_two_scans_that_would_share_a_map_are_refused_before_one_is_written(floor: Path, tmp_path: Path) -> None:
    scan = nib.Nifti1Image(np.full((4, 4, 4), 0.5, np.float32), np.eye(4))
    for name in ("head.nii", "head.nii.gz", "head.2.nii.gz"):
        scan.to_filename(tmp_path / name)
    with pytest.raises(RuntimeError) as refusal:
        opened(floor, dataset_dir=str(tmp_path), output_dir=str(tmp_path / "maps")).initialize()
    first, second = tmp_path / "head.nii", tmp_path / "head.nii.gz"
    expected = f"{first} and {second} would have one map; move one of them to another folder"
    assert str(root_of(refusal.value)) == expected and not (tmp_path / "maps").exists()


def test_the_prior_goes_with_the_model_and_a_feature_network_is_named(tiny_dataset: Path, tmp_path: Path) -> None:
    """A feature network may be large and is not ours to hand on; each is refused by name where it is missing."""
    without = shutil.copytree(tiny_dataset, tmp_path / "data", ignore=shutil.ignore_patterns("prior"))
    with pytest.raises(PipelineError, match=r"no tissue prior in .*python -m preprocessing prior"):
        write_model("spa", without, tmp_path / "again")
    model = write_model("spa", tiny_dataset, tmp_path)
    text = (model / TRAINING).read_text()
    for old, new in {"weight: 0\n": "weight: 0.1\n", "features: torchvision": "features: /home/me/vgg.onnx"}.items():
        assert f"perceptual_{old}" in text
        text = text.replace(f"perceptual_{old}", f"perceptual_{new}")
    rewrite(model, {TRAINING: text.encode()})
    export(model, tmp_path / "bundle", GRID, onnx=False)
    assert "/home/me" not in (tmp_path / "bundle" / "configs" / "train.yaml").read_text()
    parser = opened(tmp_path / "bundle", "train.yaml", dataset_dir=str(without)).parser
    assert parser.get_parsed_content("prior").name == "a disc of three rings (0123456789ab)"
    with pytest.raises(PipelineError, match="no feature network 'vgg.onnx': set perceptual_features to"), unwrapped():
        parser.get_parsed_content("features")
    (tmp_path / "bundle" / "models" / "prior.json").unlink()
    with pytest.raises(PipelineError, match="models/prior.json' is missing; copy the bundle again"):
        check_bundle(tmp_path / "bundle")


def rewrite(model: Path, files: dict[str, bytes | None]) -> None:
    """The same model with other files."""
    facts = json.loads((model / "model.json").read_text())
    kept = {name: (model / name).read_bytes() for name in facts.pop("files")}

    def fill(folder: Path) -> dict[str, Any]:
        for name, content in {**kept, **files}.items():
            if content is not None:
                (folder / name).write_bytes(content)
        return facts

    seal(model, fill)


def test_a_model_that_does_not_say_how_it_was_trained_is_packed_again(tiny_dataset: Path, tmp_path: Path) -> None:
    model = write_model("intensity", tiny_dataset, tmp_path)
    rewrite(model, {TRAINING: None})
    with pytest.raises(PipelineError, match="how it was trained: `lesionless pack RUN --out MODEL` again"):
        export(model, tmp_path / "bundle", GRID, onnx=False)
    assert not (tmp_path / "bundle").exists()


def test_a_method_of_ones_own_is_exported_without_its_file(tiny_dataset: Path, tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text(OWN + "beta: 7.0\ninferer: {_target_: pipeline.inferers.Intensity}\n")
    model = write_model(str(own), tiny_dataset, tmp_path)
    own.unlink()
    seal = export(model, tmp_path / "bundle", GRID, onnx=False)
    assert seal["method"] == "mine" and not seal["missing"].get("model.ts")
    metadata = json.loads((tmp_path / "bundle" / "configs" / "metadata.json").read_text())
    assert metadata["name"] == "Mine" and "which lesionless does not bring along" in metadata["description"]
    parser = opened(tmp_path / "bundle", "train.yaml", dataset_dir=str(tiny_dataset)).parser
    assert parser.get_parsed_content("loss").beta == 7
    assert load_scorer(tmp_path / "bundle")(probe(GRID, 1)).max() > 0.5


def _class_of_ones_own(folder: Path) -> str:
    return "inferer: {_target_: nowhere_to_be_found.Map}\n"


def _features_of_a_file(folder: Path) -> str:
    torch.jit.script(torch.nn.Identity()).save(folder / "features.pt")
    features = f"features: {{_target_: pipeline.networks.ScriptedFeatures, path: {folder}/features.pt, channels: 1}}\n"
    network = 'network_def: {_target_: pipeline.networks.PatchMemory, features: "@features", size: 20}\n'
    return f"parts: [fit]\n{features}{network}inferer: {{_target_: pipeline.inferers.NetworkMap}}\n"


@pytest.mark.parametrize(
    "content, lost, message",
    [
        (_class_of_ones_own, "nowhere_to_be_found.py", "'nowhere_to_be_found.Map' cannot be imported; .* on the path"),
        (_features_of_a_file, "features.pt", "no feature network '.*features.pt'"),
    ],
)
def test_what_a_method_of_ones_own_needs_is_named_where_it_is_missing(
    content: Callable[[Path], str], lost: str, message: str, tiny_dataset: Path, tmp_path: Path
) -> None:
    (tmp_path / "nowhere_to_be_found.py").write_text("from pipeline.inferers import Intensity as Map\n")
    own = tmp_path / "mine.yaml"
    own.write_text(OWN + content(tmp_path))
    model = write_model(str(own), tiny_dataset, tmp_path)
    (tmp_path / lost).unlink()
    sys.modules.pop(Path(lost).stem, None)
    with pytest.raises(PipelineError, match=message):
        export(model, tmp_path / "bundle", GRID, onnx=False)
    assert not (tmp_path / "bundle").exists()


@pytest.mark.filterwarnings("ignore:NvImgCodec", "ignore:nvImageCodec")  # of MONAI's reader
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (100 * probe(GRID, 5)[0, 0], r"no prepared scan, .* raw scans need configs/inference_raw.yaml, too"),
        (probe(GRID, 5)[0, 0].fill_(torch.nan), r"no prepared scan, .* in \[nan, nan\]"),
        (torch.zeros(GRID.shape), "has nothing on the grid of the atlas: its affine is of another space"),
        (probe(GRID, 5)[0, 0, 0], "no prepared scan, which is one 3-D image"),
        (probe(GRID, 5)[0, 0, ..., None].expand(-1, -1, -1, 3), r"no prepared scan, .* got \[3, "),
        (None, r"no \*.nii or \*.nii.gz in .*images \[2\]"),
    ],
)
def test_what_is_no_prepared_scan_has_no_map(
    values: torch.Tensor | None, message: str, floor: Path, tmp_path: Path
) -> None:
    images = tmp_path / "images [2]"
    images.mkdir()
    if values is not None:
        nib.save(nib.Nifti1Image(values.numpy(), np.array(GRID.affine)), images / "a.nii.gz")
    given = {"dataset_dir": str(images), "output_dir": str(tmp_path / "maps")}
    workflow = opened(floor, **given)
    workflow.initialize()
    with pytest.raises(RuntimeError) as refusal:
        workflow.run()
    assert re.search(message, str(root_of(refusal.value)))
    assert not (tmp_path / "maps").exists()
