"""One scan to predict = one idempotent task: prepared, scored, written; its record says what was done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from lesionless.prediction.preparation import Preparation, of_model
from lesionless.prediction.sources import Source
from pipeline.predict import outputs
from pipeline.predict.lesions import COLUMNS
from pipeline.predict.model import Model, load_network, own_values, read_model
from pipeline.predict.native import Grid, to_scan
from pipeline.predict.prediction import Prediction, predict
from preprocessing.cohort.scan_request import ScanRequest, status_file
from preprocessing.cohort.task import process
from preprocessing.config import build
from preprocessing.dataset.derivatives import names
from preprocessing.errors import OutputError, PreprocessingError, reason
from preprocessing.io.files import read_json, sha256_file, sha256_json, write_json
from preprocessing.scan import files_of
from preprocessing.space.geometry import read_transform
from preprocessing.space.grid import load_grid

RECORD = 1  # of what a prediction holds; scans with a record of another number are scored again
PREPARED = "prepared"
NEEDED = ("image", "brain")


@dataclass(frozen=True)
class Order:
    """What is asked of every scan.

    Args:
        model: its folder. atlas: folder of the atlas; None: the one in the user's cache.
        out: folder of the predictions. prepared: folder of the prepared scans.
        threshold: rule of the mask; None: the model's own. cell: of the normals; None: the only one.
        atlas_space: also write map and mask on the grid of the atlas.
        pages: write a page for each scan.
    """

    model: Path
    atlas: Path | None
    out: Path
    prepared: Path
    threshold: str | None = None
    cell: str | None = None
    atlas_space: bool = False
    pages: bool = True


@dataclass(frozen=True)
class Job:
    """One scan of an order. request: of its preparation."""

    order: Order
    source: Source
    request: ScanRequest

    @property
    def path(self) -> Path:
        """Its record."""
        return status_file(self.order.out, self.source.scan.id)


def predict_scan(job: Job) -> dict[str, Any]:
    """Prepare and predict one scan, unless it is done; never raises for what is wrong with the scan.

    Raises:
        OutputError: the folder cannot be written.
    """
    record: dict[str, Any] = {"id": job.source.scan.id, "state": "failed", "reason": None}
    try:
        prepared = process(job.request)
        if prepared["state"] != "done":
            raise PreprocessingError(prepared["reason"])
        key = _key(job, prepared)
        known = read_json(job.path)
        if known is not None and known.get("key") == key and _in_place(job.order.out, known["outputs"]):
            return known
        record |= {"state": "done", "key": key, **_predict(job, prepared)}
    except OutputError:
        raise
    except Exception as error:  # one scan must not stop the others; the reason goes to its record
        record |= {"state": "failed", "reason": reason(error)}
    write_json(job.path, record)
    return record


@lru_cache(maxsize=2)
def opened(folder: Path, atlas: Path | None) -> tuple[Model, Preparation]:
    """The model and its preparation, read once a process."""
    model = read_model(folder)
    return model, of_model(folder, model.document("preparation.json"), atlas)


def _key(job: Job, prepared: Mapping[str, Any]) -> str:
    """Of what decides the outputs."""
    order, label = job.order, job.source.label
    read = [sha256_file(file) for file in files_of(label)] if label else None
    model, _ = opened(order.model, order.atlas)
    asked = [order.threshold, order.cell, order.atlas_space, order.pages]
    return sha256_json([RECORD, prepared["key"], model.digest, asked, read])


def _in_place(out: Path, sizes: Mapping[str, int]) -> bool:
    return all((out / path).is_file() and (out / path).stat().st_size == size for path, size in sizes.items())


def _predict(job: Job, prepared: Mapping[str, Any]) -> dict[str, Any]:
    order, scan = job.order, job.source.scan
    model, preparation = opened(order.model, order.atlas)
    cell = model.cell(order.cell)
    files = names(scan, preparation.config["atlas"]["space"])
    slices = preparation.slices(order.prepared, {key: str(files[key]) for key in NEEDED})
    image, grid, label, trouble = _native(job, preparation)
    found = predict(
        model,
        load_network(model),
        slices,
        grid,
        read_transform(order.prepared / files["transform"]),
        threshold=model.threshold(order.threshold, cell),
        cell=cell,
        lesion_min_ml=own_values(order.model, "lesion_min_ml")[0],
        checks=preparation.checks(dict(prepared)),
        label=label,
    )
    summary = {"id": scan.id, **found.summary, **_origin(job, model, preparation, prepared, trouble)}
    written = _write(job, preparation, found, summary)
    if order.pages:
        from lesionless.prediction.page.scan import write_page

        written.append(write_page(order.out, model, cell, image, found, summary))
    sizes = {str(path): (order.out / path).stat().st_size for path in written}
    return {"outputs": sizes, "summary": summary, "lesions": [lesion.row() for lesion in found.lesions]}


def _native(job: Job, preparation: Preparation) -> tuple[np.ndarray, Grid, np.ndarray | None, str | None]:
    """The scan on its own grid, its label there, and what is wrong with the label: that does not stop the scan."""
    config, scan = preparation.config, job.source.scan
    trouble, data = None, None
    if job.source.label is not None:
        try:
            data = build(config, "load")({"scan": replace(scan, lesion=job.source.label)})
            data["brain"] = data["image"] * 0 + 1  # where the lesion lies is not our concern here
            data = build(config, "lesion")(data)
        except Exception as error:
            trouble, data = reason(error), None
    data = data or build(config, "load")({"scan": scan})
    image = data["image"][0].numpy()
    label = data["lesion"][0].numpy() > 0 if "lesion" in data else None
    return image, Grid(image.shape, np.asarray(data["image"].affine, float)), label, trouble


def _origin(
    job: Job, model: Model, preparation: Preparation, prepared: Mapping[str, Any], trouble: str | None
) -> dict[str, Any]:
    return {
        "modality": job.source.scan.contrast,
        "modality_assumed": job.source.assumed,
        "label_refused": trouble,
        "checks": prepared["checks"],
        "input_sha256": prepared["input_sha256"],
        "preparation_sha256": preparation.sha256,
        "model": {
            **{key: model.facts[key] for key in ("method", "title", "trained_on", "simulated")},
            "sha256": model.digest,
        },
        "versions": model.facts["versions"],
    }


def _write(job: Job, preparation: Preparation, found: Prediction, summary: dict[str, Any]) -> list[Path]:
    """Write map, mask, table and summary of one scan; their paths below the folder of the order."""
    order, scan = job.order, job.source.scan
    source = f"bids:raw:{scan.id if scan.image.is_dir() else scan.image.name}"
    written = outputs.write_images(order.out, scan.id, "orig", found.native, found.mask, source)
    if order.atlas_space:
        atlas, space = load_grid(Path(preparation.config["atlas"]["brain"])), preparation.config["atlas"]["space"]
        there = to_scan(found.volume, Grid(atlas.array.shape, atlas.affine), np.eye(4))
        mask = there.support & (there.scores >= np.float32(summary["threshold"]["value"]))
        written += outputs.write_images(order.out, scan.id, space, there, mask, source)
    table, text = outputs.name(scan.id, "lesions.tsv"), outputs.name(scan.id, "summary.json")
    outputs.write_table(order.out / table, COLUMNS, [lesion.row() for lesion in found.lesions])
    write_json(order.out / text, summary)
    return [*written, table, text]
