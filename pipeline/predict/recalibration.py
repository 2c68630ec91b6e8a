"""A model calibrated anew on the normals of another site: its thresholds, percentiles, verdict and drift are theirs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.metrics import ScoreHistogram, Threshold, save_thresholds
from pipeline.predict import model as names
from pipeline.predict.calibration import KnownScan, learn_thresholds, measured, of_cell
from pipeline.predict.folder import MANIFEST, seal
from pipeline.predict.model import Model, build_network, own_values, read_model
from pipeline.predict.normals import subject_of
from pipeline.predict.pack import NORMALS
from pipeline.predict.seen import check_unseen

LEAST = 2  # normals of a cell


def recalibrate(
    model: Model,
    out: Path,
    cells: Mapping[str, Iterator[KnownScan]],
    promise: tuple[float, float] | None,
    origin: dict[str, Any],
) -> Model:
    """Write `out`: `model` with the thresholds and normals of other healthy scans.

    Args:
        cells: the normals by cell; the cell of all of them is the empty string.
        promise: α and mL of the conformal threshold; None: none, so that no verdict is given.
        origin: name and hash of the data set of the normals.

    Raises:
        PipelineError: a normal that the model was trained or chosen on, or a cell with too few.
    """
    kept = [name for name in model.facts["files"] if not _replaced(name)]

    def fill(folder: Path) -> dict[str, Any]:
        for name in kept:
            shutil.copyfile(model.folder / name, folder / name)
        thresholds, files, counts = _learn(model, folder, cells, promise)
        save_thresholds(folder / names.THRESHOLDS, thresholds)
        facts = {key: value for key, value in model.facts.items() if key not in ("files", "format", "version")}
        made = {"cells": files, "normals": sum(counts.values()), "calibrated_on": origin, "from": model.digest}
        return {**facts, **made}

    return read_model(seal(out, fill))


def _learn(
    model: Model, folder: Path, cells: Mapping[str, Iterator[KnownScan]], promise: tuple[float, float] | None
) -> tuple[list[Threshold], dict[str, str], dict[str, int]]:
    network = build_network(model.folder)
    (percentiles,) = own_values(model.folder, "percentiles")
    thresholds: list[Threshold] = []
    files, counts = {}, {}
    for place, (cell, scans) in enumerate(cells.items()):
        with measured(network, _unseen(model, scans), "normal") as healthy:
            try:
                if (people := len({subject_of(scan) for scan in healthy.histogram.scans})) < LEAST:
                    raise PipelineError(f"{people} normals; a site needs at least {LEAST}")
                rules = learn_thresholds(healthy.histogram, percentiles, promise=promise)
            except PipelineError as error:
                raise PipelineError(f"cell '{cell}': {error}" if cell else str(error)) from error
            rules = [*_of_patients(model), *rules]
            files[cell] = NORMALS if not cell else f"{NORMALS}-{place}"
            healthy.normals(rules).save(folder, files[cell])
            counts[cell] = len(healthy.histogram.scans)
        thresholds += of_cell(rules, cell)
    return thresholds, files, counts


def _replaced(name: str) -> bool:
    return name in (MANIFEST, names.THRESHOLDS) or re.fullmatch(rf"{NORMALS}(-\d+)?\.(json|npz)", name) is not None


def _of_patients(model: Model) -> list[Threshold]:
    """What was learnt from labelled patients stays."""
    return [rule for rule in next(iter(model.thresholds.values())) if rule.rule == "val_op"]


def _unseen(model: Model, scans: Iterator[KnownScan]) -> Iterator[KnownScan]:
    seen = model.document(names.SEEN)
    for scan in scans:
        check_unseen(seen, scan)
        yield scan


def attainable(normals: ScoreHistogram) -> float:
    """The smallest α that a conformal threshold of these normals can keep, `1 / (n + 1)`."""
    return 1 / (len({subject_of(scan) for scan in normals.scans}) + 1)
