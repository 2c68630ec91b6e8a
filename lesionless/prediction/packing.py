"""From a run, or a model, to a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from lesionless.prediction.preparation import known_scans, of_dataset
from pipeline.errors import PipelineError
from pipeline.predict.folder import MANIFEST
from pipeline.predict.model import Model, expression
from pipeline.predict.pack import Source, pack
from pipeline.run_state import RECIPE
from preprocessing.cohort import ledger
from preprocessing.dataset.manifest import read_manifest
from preprocessing.io.files import read_json

PACKED = "model"  # in the folder of a run that was named as a model


def pack_run(run: Path, out: Path, dataset: Path | None = None, atlas: Path | None = None) -> Model:
    """Pack the run in the folder `run` (`runs/METHOD/seed-N`) as the model `out`.

    Args:
        dataset: the prepared data set of the run; None: where it was when the method ran.

    Raises:
        PipelineError: not a run that was calibrated, or its data set is not there or another one.
    """
    recipe = read_json(run / RECIPE)
    if recipe is None:
        raise PipelineError(f"'{run}' is not a run: {RECIPE} is missing; `lesionless run DATASET` writes it")
    dataset = dataset or Path(recipe["dataset_dir"])
    manifest = read_manifest(dataset)
    if manifest["hash"] != recipe["dataset_hash"]:
        raise PipelineError(f"'{dataset}' is not the data set of '{run}', or was changed since; --dataset FOLDER")
    preparation, document, files = of_dataset(dataset, atlas)
    config = {**recipe["config"], "dataset_dir": expression(dataset)}
    source = Source(config, run, manifest, document, files, _row(run), _inputs(dataset))
    normals = known_scans(dataset, preparation, lambda item: item["split"] == "calibration")
    patients = known_scans(dataset, preparation, lambda item: item["split"] == "validation")
    return pack(source, out, normals, patients)


def as_model(path: Path, atlas: Path | None) -> Path:
    """The model folder that is meant by `--model`: itself, or a run, which is packed in its folder once."""
    if (path / MANIFEST).is_file() or not (path / RECIPE).is_file():
        return path
    packed = path / PACKED
    if not (packed / MANIFEST).is_file():
        pack_run(path, packed, atlas=atlas)
    return packed


def _inputs(dataset: Path) -> dict[str, list[str]]:
    """SHA-256 of the files of each scan of a prepared data set, by its id."""
    done = (record for record in ledger.records(dataset) if record["state"] == "done")
    return {record["id"]: [file["sha256"] for file in record["inputs"]] for record in done}


def _row(run: Path) -> dict[str, Any]:
    """The result row of a run, empty before `evaluate`."""
    path = run / "metrics.csv"
    if not path.is_file():
        return {}
    row: dict[str, Any] = json.loads(pd.read_csv(path).iloc[0].to_json())
    return row
