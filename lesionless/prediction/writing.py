"""The files of one predicted scan, and where they came from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lesionless.prediction.dicom import write_dicom
from lesionless.prediction.order import Job
from lesionless.prediction.preparation import Preparation
from pipeline.predict import outputs
from pipeline.predict.lesions import COLUMNS
from pipeline.predict.model import SEEN, Model
from pipeline.predict.native import Grid, to_scan
from pipeline.predict.prediction import Prediction
from pipeline.predict.seen import was_seen
from preprocessing.io.files import write_json
from preprocessing.space.grid import load_grid


def origin(
    job: Job, model: Model, preparation: Preparation, prepared: Mapping[str, Any], trouble: str | None
) -> dict[str, Any]:
    """What the summary says of scan, preparation and model. trouble: with the label, if there was any."""
    return {
        "modality": job.source.scan.contrast,
        "flair_like": job.source.scan.flair_like,
        "modality_assumed": job.source.assumed,
        "label_refused": trouble,
        "checks": prepared["checks"],
        "input_sha256": prepared["input_sha256"],
        "seen_by_model": was_seen(
            model.document(SEEN), prepared["input_sha256"], [file["sha256"] for file in prepared["inputs"]]
        ),
        "preparation_sha256": preparation.sha256,
        "model": {
            **{key: model.facts[key] for key in ("method", "title", "trained_on", "simulated")},
            "sha256": model.digest,
        },
        "versions": model.facts["versions"],
    }


def write_files(job: Job, preparation: Preparation, found: Prediction, summary: dict[str, Any]) -> list[Path]:
    """Write map, mask, table and summary of one scan; their paths below the folder of the order."""
    order, scan = job.order, job.source.scan
    source = f"bids:raw:{scan.id if scan.image.is_dir() else scan.image.name}"
    written = outputs.write_images(order.out, scan.id, "orig", found.native, found.mask, source)
    if order.atlas_space:
        atlas, space = load_grid(Path(preparation.config["atlas"]["brain"])), preparation.config["atlas"]["space"]
        there = to_scan(found.volume, Grid(atlas.array.shape, atlas.affine), np.eye(4))
        mask = there.support & (there.scores >= np.float32(summary["threshold"]["value"]))
        written += outputs.write_images(order.out, scan.id, space, there, mask, source)
    if order.dicom:
        written += write_dicom(job, preparation, found, str(summary["model"]["title"]))
    table, text = outputs.name(scan.id, "lesions.tsv"), outputs.name(scan.id, "summary.json")
    outputs.write_table(order.out / table, COLUMNS, [lesion.row() for lesion in found.lesions])
    write_json(order.out / text, summary)
    return [*written, table, text]
