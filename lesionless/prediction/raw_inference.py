"""`inference_raw.yaml` of an exported bundle: raw scans in, by the transforms of `preprocessing`, their maps out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from lesionless.prediction.preparation import of_model
from pipeline.errors import report_in_one_line
from pipeline.export.configs import SAVE_MAP
from pipeline.export.scorer_network import AtlasGrid
from pipeline.export.served import check_bundle
from pipeline.predict.model import PREPARATION, read_model
from pipeline.references import nouns
from preprocessing.errors import PreprocessingError
from preprocessing.moved import with_new_names

LOAD = "load"  # the noun of a preparation that opens a scan


def raw_inference(folder: Path, atlas: Path | None, grid: AtlasGrid) -> dict[str, Any]:
    """Laid over `inference.yaml`, where this package is installed: the map lies on the grid of the raw scan.

    Every scan that `lesionless predict` takes is taken, is prepared by the steps of the model, and has the same map.

    Args:
        folder: of the model. atlas: folder of the atlas; None: the one in the user's cache. grid: of prepared scans.
    """
    model = read_model(folder)
    digest = of_model(folder, model.document(PREPARATION), atlas).atlas
    config = _in_the_bundle(with_new_names(model.document(PREPARATION)["config"]))
    served = {"bundle_root": "@bundle_root", "device": "@device"}
    return {
        "initialize": [
            {"_target_": "lesionless.prediction.raw_inference.begin", "bundle_root": "@bundle_root"},
            "$monai.utils.set_determinism(seed=@seed)",
        ],
        "flair_like": False,
        "atlas_dir": "$None",
        "sources": {
            "_target_": "lesionless.prediction.sources.find_sources",
            "paths": "$[pathlib.Path(@dataset_dir)]",
            "modality": model.facts["modality"],
            "flair_like": "@flair_like",
        },
        "atlas_files": {"_target_": "preprocessing.config.known_atlas", "folder": "@atlas_dir", "sha256": digest},
        "atlas": {key: f"$@atlas_files['{key}']" for key in config["atlas"]},
        **_nouns(config),
        "preprocessing": config["steps"],
        "dataset::data": "$[{'scan': source.scan} for source in @sources]",
        "network_def": {"_target_": "pipeline.export.served.load_slice_scores", **served},
        "postprocessing::transforms": [
            {"_target_": "pipeline.export.to_scan.MapToScand", "keys": "pred", "affine": grid.network_affine},
            SAVE_MAP,
        ],
    }


def begin(bundle_root: str) -> None:
    """The first entry of `initialize`: a mistake of the user ends `python -m monai.bundle` with one line.

    Raises:
        PipelineError: see `check_bundle`.
    """
    report_in_one_line(sys.modules["__main__"], PreprocessingError)
    check_bundle(bundle_root)


def _nouns(config: dict[str, Any]) -> dict[str, Any]:
    """What the steps refer to, and so on; the scan as it was taken is kept beside what they make of it."""
    found: dict[str, Any] = {}
    left = nouns(config["steps"])
    while left:
        name = left.pop(0)
        if name != "atlas" and name not in found:
            found[name] = config[name]
            left += nouns(config[name])
    keep = {"_target_": "CopyItemsd", "keys": "image", "names": "taken"}
    return {**found, LOAD: {"_target_": "Compose", "transforms": [found[LOAD], keep]}}


def _in_the_bundle(part: Any) -> Any:
    """A configuration whose files lie beside the model, as `of_dataset` marks them."""
    if isinstance(part, dict):
        return {key: _in_the_bundle(value) for key, value in part.items()}
    if isinstance(part, list):
        return [_in_the_bundle(value) for value in part]
    name = part.removeprefix("model:") if isinstance(part, str) else part
    return part if name == part else f"$@bundle_root + '/models/{name}'"
