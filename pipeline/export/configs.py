"""The configurations of an exported bundle, as MONAI, MONAI Label and MONAI Deploy read them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from pipeline.bundle_file import load
from pipeline.catalogue import BASE
from pipeline.export.files import TORCHSCRIPT
from pipeline.export.scorer_network import AtlasGrid
from pipeline.predict.folder import MODELS

SAVE_MAP = {  # the last transform of prepared and of raw scans
    "_target_": "SaveImaged",
    "keys": "pred",
    "output_dir": "@output_dir",
    "output_postfix": "anomaly",
    "output_dtype": "$numpy.float32",
    "resample": False,
    "separate_folder": False,
}
_UNCHANGED = (
    "$[None for name, digest in @sha256.items() if hashlib.sha256(pathlib.Path(@bundle_root, name).read_bytes())"
    ".hexdigest() != digest and (_ for _ in ()).throw(ValueError("
    "name + ' is not the file that was exported with this bundle; copy the bundle again'))]"
)
_A_MAP_EACH = (
    "$[None for first, second in zip(@images, @images[1:]) if re.sub(r'\\.nii(\\.gz)?$', '', first) == "
    "re.sub(r'\\.nii(\\.gz)?$', '', second) and (_ for _ in ()).throw(ValueError("
    "first + ' and ' + second + ' would have one map; move one of them to another folder'))]"
)
_PREPARED = (  # a raw scan would be laid onto the atlas by its own axes, and get a map that means nothing
    "$lambda image: @atlas if image.ndim == 4 and len(image) == 1 and -0.1 <= image.min() and image.max() <= 1.1 "
    "else (_ for _ in ()).throw(ValueError(str(image.meta.get('filename_or_obj', 'the image')) + "
    "' is no prepared scan, which is one 3-D image in [0, 1]: got ' + str(list(image.shape)) + ' in [' + "
    "format(float(image.min()), '.3g') + ', ' + format(float(image.max()), '.3g') + "
    "']; raw scans need configs/inference_raw.yaml, too'))"
)
_ON_THE_ATLAS = (
    "$lambda image: image if image.any() else (_ for _ in ()).throw(ValueError("
    "str(image.meta.get('filename_or_obj', 'the image')) + ' has nothing on the grid of the atlas: "
    "its affine is of another space, or it is empty; raw scans need configs/inference_raw.yaml, too'))"
)


def inference(method: str, grid: AtlasGrid, sha256: Mapping[str, str] | None) -> dict[str, Any]:
    """`inference.yaml`: one file, with MONAI, torch and nibabel alone where the scorer has a TorchScript program.

    Args:
        sha256: of the files that it works with, by their path in the bundle; None: the network is this package's, since
            there is no TorchScript file.
    """
    program = f"torch.jit.load(@bundle_root + '/{MODELS}/{TORCHSCRIPT}', map_location=@device)"
    scorer = {
        "_target_": "pipeline.export.served.load_scorer",
        "bundle_root": "@bundle_root",
        "device": "@device",
        "compile": "@compile",
    }
    return {
        "imports": [
            "$import glob",
            "$import monai",
            "$import hashlib",
            "$import os",
            "$import pathlib",
            "$import re",
            "$import numpy",
            "$import torch",
        ],
        "method": method,
        "seed": 0,
        "bundle_root": ".",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "dataset_dir": "$@bundle_root + '/images'",
        "images": "$sorted(glob.glob(os.path.join(glob.escape(@dataset_dir), '*.nii*')))",
        "output_dir": "$@bundle_root + '/eval'",
        "sha256": dict(sha256 or {}),
        "compile": False,  # Python's scorer through torch.compile, which needs this package
        "scorer": {**scorer, "_disabled_": False if sha256 is None else "$not @compile"},
        "network_def": "@scorer" if sha256 is None else f"$@scorer if @compile else {program}",
        "network": "$@network_def.to(@device).eval()",
        "program_def": {"_target_": "pipeline.export.served.load_program", "bundle_root": "@bundle_root"},
        "atlas": {
            "_target_": "monai.data.MetaTensor",
            "x": f"$torch.zeros(1).expand(1, *{list(grid.shape)})",
            "affine": f"$torch.tensor({[[float(value) for value in row] for row in grid.affine]}, dtype=torch.float64)",
        },
        "preprocessing": _preprocessing(),
        "dataset": {
            "_target_": "monai.data.Dataset",
            "data": "$[{'image': path} for path in @images]",
            "transform": "@preprocessing",
        },
        "dataloader": {"_target_": "monai.data.DataLoader", "dataset": "@dataset", "batch_size": 1, "num_workers": 0},
        "inferer": {"_target_": "monai.inferers.SimpleInferer"},
        "postprocessing": _postprocessing(),
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "amp": False,
        },
        "maps": (
            "$torch.no_grad()(lambda: [@postprocessing({**scan, 'pred': monai.data.MetaTensor(@inferer("
            "scan['image'].as_tensor()[None].to(@device), @network)[0].cpu())})['pred'].meta['filename_or_obj'] "
            "for scan in @dataset] or (_ for _ in ()).throw(ValueError("
            "'no *.nii or *.nii.gz in ' + str(@dataset_dir))))()"
        ),
        "initialize": [
            "$monai.utils.set_determinism(seed=@seed)",
            _UNCHANGED,
            _A_MAP_EACH,
        ],
        "run": ["$@maps"],
    }


def _preprocessing() -> dict[str, Any]:
    """A prepared scan on the grid of the atlas, whatever grid it was stored on."""
    return {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "LoadImaged", "keys": "image", "reader": "NibabelReader"},
            {"_target_": "EnsureChannelFirstd", "keys": "image"},
            {"_target_": "CopyItemsd", "keys": "image", "names": "atlas"},
            {"_target_": "Lambdad", "keys": "atlas", "func": _PREPARED, "track_meta": False},
            {"_target_": "ResampleToMatchd", "keys": "image", "key_dst": "atlas", "padding_mode": "zeros"},
            {"_target_": "Lambdad", "keys": "image", "func": _ON_THE_ATLAS},
            {"_target_": "DeleteItemsd", "keys": "atlas"},
            {"_target_": "EnsureTyped", "keys": "image", "dtype": "$torch.float32"},
        ],
    }


def _postprocessing() -> dict[str, Any]:
    """The map on the grid of the input's file, as a NIfTI file of its name."""
    return {
        "_target_": "Compose",
        "transforms": [
            {
                "_target_": "Invertd",
                "keys": "pred",
                "transform": "@preprocessing",
                "orig_keys": "image",
                "nearest_interp": False,
                "to_tensor": True,
            },
            SAVE_MAP,
        ],
    }


def training(resolved: dict[str, Any]) -> dict[str, Any]:
    """`train.yaml`: the method as it was resolved, with the ids that MONAI's workflows ask for; needs this package."""
    config = {key: value for key, value in resolved.items() if key != "_meta_"}
    train, trainer = config["train"], dict(config["train"]["trainer"])
    log = {**train["log"], "tensorboard": "@tensorboard", "mlflow": "@mlflow"}
    inferer = trainer.get("inferer", "$None")
    if "inferer" in trainer:
        trainer["inferer"] = "@train::inferer"
    return {
        **config,
        **_inputs(config),
        "bundle_root": ".",
        "dataset_dir": "$None",
        "tensorboard": False,
        "mlflow": "$None",
        "compile": False,
        "runs_dir": "$@bundle_root + '/runs'",
        "weights_path": "$@output_dir + '/model.pt'",
        "trained_network": _compiled(config["trained_network"]),
        "train": {
            **train,
            "log": log,
            "inferer": inferer,
            "trainer": trainer,
            "handlers": _listed(train["handlers"], config),
        },
        "initialize": [
            {"_target_": "pipeline.export.served.begin", "bundle_root": "@bundle_root"},
            "$monai.utils.set_determinism(seed=@seed)",
        ],
        "run": resolved["run_train"],
    }


def _compiled(trained_network: Any) -> Any:
    """With the key `compile`, where there are weights to load; a network without any stays as it is."""
    return {**trained_network, "compile": "@compile"} if isinstance(trained_network, dict) else trained_network


def _listed(handlers: str, config: dict[str, Any]) -> list[dict[str, Any]]:
    """An expression such as `$[*@train::before.values(), @train::log]` as a list of components.

    MONAI's tracking and MONAI Label add to this list, and MONAI's workflows look at the `_target_` of its entries.
    """
    parser = ConfigParser(config)
    listed = []
    for all_of, name in re.findall(r"(\*?)@([\w:]+)", handlers):
        for noun in [f"{name}::{key}" for key in parser[name]] if all_of else [name]:
            disabled = parser.get(f"{noun}::_disabled_", False)
            listed.append({"_target_": "pipeline.export.served.noun", "noun": f"@{noun}", "_disabled_": disabled})
    return listed


def _inputs(config: dict[str, Any]) -> dict[str, str]:
    """The prior lies beside the model; a feature network is not ours to hand on: its name is kept, without folders."""
    named = {key: Path(config[key]).name for key in config["inputs"] if not str(config[key]).startswith("$")}
    return {**named, **({"prior_dir": f"$@bundle_root + '/{MODELS}'"} if "prior_dir" in config else {})}


def evaluation(resolved: dict[str, Any]) -> dict[str, Any]:
    """`evaluate.yaml`, laid over `train.yaml`: thresholds and measurement of the weights of this bundle."""
    stages = [*resolved["run_calibrate"], *resolved["run_evaluate"]]
    return {"weights_path": f"$@bundle_root + '/{MODELS}/model.pt'", "run": stages}


def several_processes() -> dict[str, Any]:
    """`multi_gpu_train.yaml`, laid over `train.yaml`, for torchrun."""
    preset: dict[str, Any] = load(BASE / "presets" / "multi_gpu.yaml")
    begin = {"_target_": "pipeline.export.served.begin", "bundle_root": "@bundle_root"}
    return {**preset, "initialize": [begin, *preset["initialize"]]}
