"""A run becomes a model folder: weights, the method as resolved, the preparation, thresholds and normals, a card."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

import yaml
from monai.bundle import ConfigParser

from pipeline.files import write_json
from pipeline.metrics import save_thresholds
from pipeline.predict import model as names
from pipeline.predict.calibration import KnownScan, learn_thresholds, measured, own_threshold
from pipeline.predict.folder import seal
from pipeline.predict.model import Model, build_network, own_values, read_model
from pipeline.predict.seen import seen
from pipeline.prior import prior_files

NORMALS = "normals"
PACKAGES = ("lesionless", "monai", "numpy", "torch")
_GEOMETRY = (
    *("format", "version", "name", "simulated", "modality", "space", "image_size", "slices"),
    *("spacing_mm", "z", "affine", "hash"),
)
_OF_THE_RUN = ("dataset_dir", "runs_dir", "_meta_")
_NOT_FOR_SCORING = (  # paths, which the model's place decides, and stages
    *("output_dir", "weights_path", "thresholds_path"),
    *("train", "calibrate", "evaluate", "split_evaluator", "initialize"),
)


@dataclass(frozen=True)
class Source:
    """What a model is packed from.

    Args:
        config: the method as resolved: base, parts, method, presets and overrides.
        run: folder of the run, with its weights and choices.
        manifest: of the data set that the run was made on.
        preparation: what `predict` needs to prepare a scan likewise, as JSON.
        files: by their name in the model, files that the preparation names.
        row: the result row of the run, for the card; empty without one.
        inputs: SHA-256 of the files that each scan of the data set was prepared from, by its id.
    """

    config: Mapping[str, Any]
    run: Path
    manifest: Mapping[str, Any]
    preparation: Mapping[str, Any]
    files: Mapping[str, Path]
    row: Mapping[str, Any]
    inputs: Mapping[str, Sequence[str]] = field(default_factory=dict)


def pack(source: Source, out: Path, normals: Iterable[KnownScan], patients: Iterable[KnownScan]) -> Model:
    """Write the model folder `out`; normals and patients are scored as whole volumes, and thresholds learnt from them.

    Args:
        normals: held-out healthy scans. patients: labelled scans that were not trained on; may be empty.

    Raises:
        PipelineError: `out` is something else, the weights are missing or do not fit, or there are too few normals.
    """

    def fill(folder: Path) -> dict[str, Any]:
        _write_method(folder, source)
        return {**_facts(source), **_calibrate(folder, normals, patients)}

    return read_model(seal(out, fill))


def _write_method(folder: Path, source: Source) -> None:
    training = {key: value for key, value in source.config.items() if key not in _OF_THE_RUN}
    scoring = {k: value for k, value in training.items() if k not in _NOT_FOR_SCORING and not k.startswith("run_")}
    for name, config in {names.METHOD: scoring, names.TRAINING: training}.items():
        (folder / name).write_text(yaml.safe_dump(config, sort_keys=False, width=120), "utf-8")
    for path in _prior(source.config):
        shutil.copyfile(path, folder / path.name)
    for name in (names.WEIGHTS, names.CHOICES):
        if (source.run / name).is_file():
            shutil.copyfile(source.run / name, folder / name)
    for name, path in source.files.items():
        shutil.copyfile(path, folder / name)
    geometry = {key: source.manifest[key] for key in _GEOMETRY if key in source.manifest}
    write_json(folder / names.GEOMETRY, {**geometry, "splits": {}, "items": []})
    write_json(folder / names.PREPARATION, source.preparation)
    write_json(folder / names.SEEN, seen(source.manifest, source.inputs))
    write_json(folder / names.CARD, dict(source.row))
    (folder / "README.md").write_text(_readme(source), "utf-8")
    (folder / "LICENSE").write_text(licence(), "utf-8")


def _prior(config: Mapping[str, Any]) -> list[Path]:
    """The files of the tissue prior that a method was trained with; none without one."""
    if "prior_dir" not in config:
        return []
    return prior_files(ConfigParser(dict(config)).get_parsed_content("prior_dir"), config["dataset_dir"])


def _calibrate(folder: Path, normals: Iterable[KnownScan], patients: Iterable[KnownScan]) -> dict[str, Any]:
    network = build_network(folder)
    (percentiles,) = own_values(folder, "percentiles")
    with measured(network, patients, "patient") as sick, measured(network, normals, "normal") as healthy:
        if labelled := sick.histogram if sick.histogram.scans else None:
            labelled.save(folder / names.PATIENTS)
        thresholds = learn_thresholds(healthy.histogram, percentiles, labelled)
        healthy.normals(thresholds).save(folder, NORMALS)
    save_thresholds(folder / names.THRESHOLDS, thresholds)
    counts = {"normals": len(healthy.histogram.scans), "patients": len(sick.histogram.scans)}
    return {"threshold": own_threshold(thresholds), "cells": {"": NORMALS}, **counts}


def _facts(source: Source) -> dict[str, Any]:
    manifest, config = source.manifest, source.config
    return {
        **{key: config[key] for key in ("method", "title", "seed")},
        **{key: manifest[key] for key in ("modality", "space", "simulated")},
        "trained_on": {"name": manifest["name"], "hash": manifest["hash"]},
        "preparation_sha256": source.preparation["sha256"],
        "versions": {name: version(name) for name in PACKAGES},
        "licence": "Apache-2.0",
        "use": "research only, not a medical device",
    }


def licence() -> str:
    """The licence of the code, which is that of a model unless its data say otherwise."""
    try:
        files = distribution("lesionless").files or []
    except PackageNotFoundError:
        files = []
    paths = [Path(str(file.locate())) for file in files if file.name == "LICENSE"]
    paths.append(Path(__file__).parents[2] / "LICENSE")
    return next((path.read_text("utf-8") for path in paths if path.is_file()), "Apache-2.0\n")


def _readme(source: Source) -> str:
    note = "SIMULATED scans" if source.manifest["simulated"] else "scans"
    return (
        f"# {source.config['title']}\n\nAnomaly maps of {source.manifest['modality']} scans of the brain, trained on "
        f"{note} of the data set {source.manifest['name']} ({source.manifest['hash'][:12]}).\n\n"
        f"```\nlesionless predict SCAN --model {source.config['method']} --out DIR\n```\n\n"
        "`card.json` is the result row of the run. `model.json` lists every file with its SHA-256. `method.yaml` may "
        "hold Python: use models of people you trust.\nResearch only; not a medical device. Apache-2.0.\n"
    )
