"""One scan to predict = one idempotent task: prepared, scored, written; its record says what was done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lesionless.prediction.order import Job, opened
from lesionless.prediction.raw_scan import raw_scan
from lesionless.prediction.writing import origin, write_files
from pipeline.predict.model import load_network, own_values
from pipeline.predict.prediction import predict
from preprocessing.cohort.task import process
from preprocessing.dataset.derivatives import names
from preprocessing.errors import OutputError, PreprocessingError, reason
from preprocessing.io.files import read_json, sha256_file, sha256_json, write_json
from preprocessing.scan import files_of
from preprocessing.space.geometry import read_transform

RECORD = 2  # of what a prediction holds; scans with a record of another number are scored again
NEEDED = ("image", "brain")


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


def _key(job: Job, prepared: Mapping[str, Any]) -> str:
    """Of what decides the outputs."""
    order, label = job.order, job.source.label
    read = [sha256_file(file) for file in files_of(label)] if label else None
    model = opened(order.model, order.atlas).model
    asked = [order.threshold, order.cell, order.atlas_space, order.pages, order.dicom]
    return sha256_json([RECORD, prepared["key"], model.digest, asked, read])


def _in_place(out: Path, sizes: Mapping[str, int]) -> bool:
    return all((out / path).is_file() and (out / path).stat().st_size == size for path, size in sizes.items())


def _predict(job: Job, prepared: Mapping[str, Any]) -> dict[str, Any]:
    order, scan = job.order, job.source.scan
    model, preparation = opened(order.model, order.atlas)
    cell = model.cell(order.cell)
    files = names(job.request.scan, preparation.config["atlas"]["space"])
    slices = preparation.slices(job.request.out, {key: str(files[key]) for key in NEEDED})
    (lesion_min_ml,) = own_values(order.model, "lesion_min_ml")
    image, grid, label, trouble = raw_scan(job, preparation)
    found = predict(
        model,
        load_network(model),
        slices,
        grid,
        read_transform(job.request.out / files["transform"]),
        threshold=model.threshold(order.threshold, cell),
        cell=cell,
        lesion_min_ml=lesion_min_ml,
        checks=preparation.checks(dict(prepared)),
        label=label,
    )
    summary = {"id": scan.id, **found.summary, **origin(job, model, preparation, prepared, trouble)}
    written = write_files(job, preparation, found, summary)
    if order.pages:
        from lesionless.prediction.page.scan import write_page

        written.append(write_page(order.out, model, cell, image, found, summary))
    sizes = {str(path): (order.out / path).stat().st_size for path in written}
    return {"outputs": sizes, "summary": summary, "lesions": [lesion.row() for lesion in found.lesions]}
