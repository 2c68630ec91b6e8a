"""A model and the healthy scans of a site become the model of that site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lesionless.prediction.preparation import known_scans, of_dataset, of_model
from pipeline.errors import PipelineError, check_choice
from pipeline.predict.calibration import KnownScan
from pipeline.predict.model import PREPARATION, Model, read_model
from pipeline.predict.recalibration import recalibrate
from preprocessing.dataset.manifest import read_manifest
from preprocessing.io.text import read_table

KEYS = ("participant_id", "subject", "id")


def calibrate_site(
    folder: Path,
    normals: Path,
    out: Path,
    *,
    promise: tuple[float, float] | None = None,
    group: str | None = None,
    table: Path | None = None,
    atlas: Path | None = None,
) -> Model:
    """Calibrate the model in `folder` on the healthy scans of the prepared data set `normals`, as the model `out`.

    Args:
        promise: α and mL of a conformal threshold.
        group: column of `table` whose values make cells; the table has a column `participant_id`, `subject` or `id`.

    Raises:
        PipelineError: the data set was prepared in another way than the model, has no healthy scan, or a cell has too
            few; see also `recalibrate`.
    """
    model = read_model(folder)
    preparation = of_model(folder, model.document(PREPARATION), atlas)
    theirs, document, _ = of_dataset(normals, atlas)
    if theirs.sha256 != preparation.sha256:
        raise PipelineError(f"'{normals}' was not prepared as the model's scans were: {_difference(model, document)}")
    manifest = read_manifest(normals)
    cell_of = _cells(manifest, group, table)
    if not cell_of:
        raise PipelineError(f"'{normals}' has no healthy scan")

    def of_cell(cell: str) -> Iterator[KnownScan]:
        return known_scans(normals, preparation, lambda item: cell_of.get(item["id"]) == cell)

    cells = {cell: of_cell(cell) for cell in sorted(set(cell_of.values()))}
    return recalibrate(model, out, cells, promise, {"name": manifest["name"], "hash": manifest["hash"]})


def _cells(manifest: dict[str, Any], group: str | None, table: Path | None) -> dict[str, str]:
    """The cell of each healthy scan."""
    healthy = [item for item in manifest["items"] if item["healthy"]]
    if group is None:
        return {item["id"]: "" for item in healthy}
    if table is None:
        raise PipelineError(f"--group needs --table FILE, with that column and one of {', '.join(KEYS)}")
    values = _column(table, group)
    missing = [item["id"] for item in healthy if not (values.get(item["id"]) or values.get(item["subject"]))]
    if missing:
        raise PipelineError(f"{table}: no {group} for '{missing[0]}'")
    return {item["id"]: values.get(item["id"]) or values[item["subject"]] for item in healthy}


def _column(table: Path, group: str) -> dict[str, str]:
    names, rows = read_table(table)
    check_choice("column", group.lower(), names)
    key = next((name for name in KEYS if name in names), None)
    if key is None:
        raise PipelineError(f"{table}: none of the columns {', '.join(KEYS)}; it has {', '.join(names)}")
    return {row.values.get(key, ""): row.values.get(group.lower(), "") for row in rows}


def _difference(model: Model, document: dict[str, Any]) -> str:
    """The first key of the configuration that differs, for the message."""
    ours, theirs = model.document(PREPARATION)["config"], document["config"]
    free = ("atlas", "slices", "split", "min_lesion_share", "qc")
    keys = [key for key in ours if key not in free and ours[key] != theirs.get(key)]
    return f"'{keys[0]}' is {ours[keys[0]]} in the model and {theirs.get(keys[0])} there" if keys else "another atlas"
