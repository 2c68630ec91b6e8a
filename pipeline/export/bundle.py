"""`lesionless export`: a packed model becomes one flat bundle, as in MONAI's model zoo."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml
from monai.data import save_net_with_metadata

from pipeline.bundle_file import load
from pipeline.catalogue import BASE
from pipeline.errors import PipelineError
from pipeline.export.card import model_card
from pipeline.export.configs import MODELS, evaluation, inference, several_processes, training
from pipeline.export.files import ONNX, TORCHSCRIPT, write_programs
from pipeline.export.scorer_network import AtlasGrid
from pipeline.export.served import FORMAT, SEAL, build_scorer
from pipeline.files import write_json, write_text
from pipeline.lock import locked
from pipeline.metadata import metadata
from pipeline.predict.folder import MANIFEST, sha256
from pipeline.predict.model import TRAINING, WEIGHTS, Model, read_model

REFUSED = "detection"  # MONAI Label turns the geometry of images off in such a folder


def export(
    folder: Path, out: Path, grid: AtlasGrid, onnx: bool = True, raw: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Write the bundle `out` of the model in `folder`; it appears whole or not at all. Returns its seal.

    Args:
        grid: of the prepared scans that the model takes.
        onnx: also write an ONNX file; it takes most of the time.
        raw: `inference_raw.yaml`, for raw scans; None: there is none.

    Raises:
        PipelineError: the model is not whole; `out` is there and no bundle, or has a name that MONAI Label misreads;
            another process makes the same bundle.
    """
    model, out = read_model(folder), out.absolute()
    if REFUSED in out.name.lower():
        raise PipelineError(f"--out '{out}': MONAI Label ignores the geometry of bundles named '{REFUSED}'; rename it")
    if out.exists() and not (out / SEAL).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise PipelineError(f"'{out}' is there and is not a bundle: choose another folder")
    workshop = out.with_name(f".{out.name}.part")
    with locked(workshop):  # what a killed export left there goes first
        draft = workshop / out.name
        shutil.rmtree(draft, ignore_errors=True)
        try:
            seal = _fill(draft, model, grid, onnx, raw)
            shutil.rmtree(out, ignore_errors=True)
            draft.replace(out)
        finally:
            shutil.rmtree(workshop, ignore_errors=True)
    return seal


def _fill(draft: Path, model: Model, grid: AtlasGrid, onnx: bool, raw: Mapping[str, Any] | None) -> dict[str, Any]:
    shutil.copytree(model.folder, draft / MODELS, ignore=_others(model))
    scorer = build_scorer(draft / MODELS, grid, whole=True)
    _write_weights(scorer.network, draft / MODELS)
    missing = write_programs(scorer, draft / MODELS, onnx)
    facts = _metadata(model, grid, missing)
    program = draft / MODELS / TORCHSCRIPT
    if program.is_file():
        _describe(program, facts, inference(model.facts["method"], grid, {}))
    write_text(draft / "configs" / "metadata.json", json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    resolved = _training(model)
    configs = {
        "inference.yaml": inference(model.facts["method"], grid, _digests(draft)),
        "train.yaml": training(resolved),
        "evaluate.yaml": evaluation(resolved),
        "multi_gpu_train.yaml": several_processes(),
    }
    if raw is not None:
        configs["inference_raw.yaml"] = dict(raw)
    for name, config in configs.items():
        write_text(draft / "configs" / name, yaml.safe_dump(config, sort_keys=False, width=120, allow_unicode=True))
    shutil.copyfile(BASE / "logging.conf", draft / "configs" / "logging.conf")
    write_text(draft / "docs" / "README.md", model_card(model, facts, missing))
    shutil.copyfile(model.folder / "LICENSE", draft / "LICENSE")
    return _seal(draft, model, grid, missing)


def _digests(draft: Path) -> dict[str, str] | None:
    """SHA-256 of what `inference.yaml` works with; None where the scorer has no TorchScript program."""
    files = (f"{MODELS}/{TORCHSCRIPT}", "configs/metadata.json")
    return {name: sha256(draft / name) for name in files} if (draft / files[0]).is_file() else None


def _others(model: Model) -> Any:
    """Of what lies in the folder of a model, that which is not the model's."""
    own = {MANIFEST, *model.facts["files"]}
    return lambda _, names: [name for name in names if name not in own]


def _write_weights(network: torch.nn.Module, folder: Path) -> None:
    """`model.pt` where the method has none, and the same weights as safetensors."""
    state = {name: weight.contiguous() for name, weight in network.state_dict().items()}
    if not (folder / WEIGHTS).is_file():
        torch.save(state, folder / WEIGHTS)
    try:
        from safetensors.torch import save_file
    except ImportError:
        return
    save_file(state, folder / "model.safetensors")


def _training(model: Model) -> dict[str, Any]:
    """The method as it was trained, with its stages."""
    if TRAINING not in model.facts["files"]:
        raise PipelineError(
            f"'{model.folder}' does not say how it was trained: `lesionless pack RUN --out MODEL` again"
        )
    return load(model.folder / TRAINING)


def _metadata(model: Model, grid: AtlasGrid, missing: dict[str, str]) -> dict[str, Any]:
    """As in the repository, with the shape of a volume: two sides would register as a slice."""
    facts = metadata(model.facts["method"], model.facts["title"])
    needed = facts["required_packages_version"]  # train and evaluate; inference.yaml needs nibabel alone
    facts["required_packages_version"] = {**needed, "lesionless": version("lesionless")}
    of_network = facts["network_data_format"]
    for image in (of_network["inputs"]["image"], of_network["outputs"]["pred"]):
        image["spatial_shape"] = list(grid.shape)
    of_network["inputs"]["image"]["modality"] = model.facts["modality"]
    facts["data_type"] = "nibabel"
    kind = "simulated scans" if model.facts["simulated"] else "scans"
    facts["data_source"] = f"{model.facts['trained_on']['name']}: {kind}"
    facts["programs"] = {name: missing.get(name, "models/" + name) for name in (TORCHSCRIPT, ONNX)}
    return facts


def _describe(program: Path, facts: dict[str, Any], config: dict[str, Any]) -> None:
    """Put metadata and configuration into the TorchScript file, where MONAI Deploy reads them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit
        network = torch.jit.load(program, map_location="cpu")
        more = {"inference.json": json.dumps(config).encode()}
        save_net_with_metadata(
            network,
            str(program),
            include_config_vals=False,
            append_timestamp=False,
            meta_values=facts,
            more_extra_files=more,
        )


def _seal(draft: Path, model: Model, grid: AtlasGrid, missing: dict[str, str]) -> dict[str, Any]:
    files = {str(path.relative_to(draft)): sha256(path) for path in sorted(draft.rglob("*")) if path.is_file()}
    seal = {
        **FORMAT,
        "release": version("lesionless"),
        "method": model.facts["method"],
        "model": model.digest,
        "grid": asdict(grid),
        "missing": missing,
        "files": files,
    }
    write_json(draft / SEAL, seal)
    return seal
