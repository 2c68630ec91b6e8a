"""What the viewer of the page carries: slices in 8 bits, and counts of the float maps at every stop of its slider."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from pipeline.metrics import Counts, ScoreHistogram, Threshold
from pipeline.metrics.bins import snap
from pipeline.metrics.percentiles import percentile
from pipeline.metrics.summary import with_oracle
from pipeline.metrics.thresholds import load_thresholds
from pipeline.pages import packed, reached
from pipeline.report.pictures import COLOURS, RANGE
from pipeline.report.results import Run, find_runs
from pipeline.report.tables import kind, operating_rule
from pipeline.report.views import anomaly_map, box_of, kept_scans, kept_volumes

LEVELS = (250, 100, 50, 25, 12)  # stops of a slider, until the pictures fit


@dataclass(frozen=True)
class Viewer:
    """Packed texts for the page: `data`, the figures of all scans, and each volume by its name; levels of a map."""

    data: str
    volumes: dict[str, str]
    levels: int

    @property
    def size(self) -> int:
        """Bytes of the texts."""
        return len(self.data) + sum(map(len, self.volumes.values()))


@dataclass(frozen=True)
class Stops:
    """Thresholds of a method's slider, ascending, each on the edge of a bin, and its colour range [low, high].

    Args:
        values: [K] scores. rules: of each stop, the rule that it is, empty for those in between.
    """

    values: NDArray[np.float32]
    rules: list[str]
    low: float
    high: float


def stops(test: ScoreHistogram, thresholds: Sequence[Threshold], count: int) -> Stops:
    """The calibrated thresholds, the oracle, and up to `count` between: half evenly in score, half in pixels."""
    pooled = test.pooled()
    low, high = (percentile(pooled, end) for end in RANGE)
    even = np.linspace(low, high, count // 2)
    dense = [percentile(pooled, q) for q in 100 - np.geomspace(50, 0.01, count - count // 2)]
    named = {np.float32(one.value): one.rule for one in reversed(with_oracle(test, thresholds))}
    between = [np.float32(snap(float(value), test.bits)) for value in (*even, *dense)]
    values = np.unique(np.array([*named, *between], np.float32))
    return Stops(values, [named.get(value, "") for value in values], low, high)


def viewer(root: Path, results: pd.DataFrame, order: Iterable[str], room: int) -> Viewer | None:
    """The viewer of the methods in `order` (of each the lowest seed) in at most `room` bytes.

    Maps get fewer levels until they fit; then scans are left out, evenly over the lesion volumes, whose figures stay.

    Returns:
        `None` where no run kept its histogram, or there is no room.
    """
    runs = {run.method: run for run in reversed(find_runs(root, order)) if (run.folder / "test.npz").is_file()}
    if not runs:
        return None
    histograms = {run.method: ScoreHistogram.load(run.folder / "test.npz") for run in reversed(runs.values())}
    shown = [(runs[method], histogram) for method, histogram in histograms.items()]
    pictures = {scan: _pictures(root, scan) for scan in kept_scans(root)}
    for count in LEVELS:
        made = _packed(shown, results, pictures, count)
        if made.size <= room:
            return made
    by_volume = sorted(pictures, key=lambda scan: -int((pictures[scan].marks > 1).sum()))
    keep = int(len(by_volume) * 0.95 * (room - len(made.data)) / max(made.size - len(made.data), 1))
    chosen = np.linspace(0, len(by_volume) - 1, max(keep, 0)).round().astype(int)
    made = _packed(shown, results, {by_volume[i]: pictures[by_volume[i]] for i in chosen}, LEVELS[-1])
    return made if made.size <= room else None


@dataclass(frozen=True)
class _Pictures:
    """Slices of a scan, upright and cropped to its support: [N, rows, columns] uint8."""

    box: tuple[slice, slice]
    image: NDArray[np.uint8]
    marks: NDArray[np.uint8]  # 1: support, 2: lesion


def _pictures(root: Path, scan: str) -> _Pictures:
    volumes, _ = kept_volumes(root, scan)
    lesion, support = volumes["lesion"] > 0, volumes["support"] > 0
    box = box_of(support)
    grey = upright_all(volumes["image"], box)
    image = np.clip(grey * (255 / max(float(grey.max()), 1e-12)), 0, 255).astype(np.uint8)
    marks = upright_all(support + 2 * lesion.astype(np.uint8), box)
    return _Pictures(box, image, marks)


def upright_all(volume: NDArray[Any], box: tuple[slice, slice]) -> NDArray[Any]:
    """All slices of a volume [x, y, z] as pictures [z, rows, columns] inside a box of rows and columns."""
    return np.ascontiguousarray(np.moveaxis(np.rot90(volume)[box], -1, 0))


def _packed(
    shown: Sequence[tuple[Run, ScoreHistogram]], results: pd.DataFrame, pictures: dict[str, _Pictures], count: int
) -> Viewer:
    scans = sorted({scan for _, histogram in shown for scan in histogram.scans})
    sliders = [stops(histogram, _thresholds(run), count) for run, histogram in shown]
    volumes: dict[str, str] = {}
    for i, scan in enumerate(scans):
        if scan in pictures:
            seen = pictures[scan]
            volumes |= {f"image-{i}": mosaic(seen.image), f"marks-{i}": packed(seen.marks.tobytes())}
            for j, ((run, _), slider) in enumerate(zip(shown, sliders, strict=True)):
                scores = anomaly_map(run, scan)
                if scores is not None:
                    levels = reached(upright_all(scores, seen.box), seen.marks > 0, slider.values)
                    volumes[f"map-{i}-{j}"] = packed(levels.tobytes())
    data = {
        "scans": [_scan(scan, shown, pictures.get(scan)) for scan in scans],
        "methods": [
            _method(run, histogram, slider, results, scans)
            for (run, histogram), slider in zip(shown, sliders, strict=True)
        ],
        "rule": operating_rule(results),
        "colours": (COLOURS(np.arange(256), bytes=True)[:, :3]).tolist(),
    }
    return Viewer(packed(json.dumps(data, allow_nan=False).encode()), volumes, max(len(one.values) for one in sliders))


def mosaic(slices: NDArray[np.uint8]) -> str:
    """Slices [N, rows, columns] as one WebP picture, ⌈√N⌉ side by side, in base64: to be looked at, not measured."""
    across = math.ceil(math.sqrt(len(slices)))
    padded = np.pad(slices, ((0, -len(slices) % across), (0, 0), (0, 0)))
    rows, columns = slices.shape[1:]
    picture = padded.reshape(-1, across, rows, columns).swapaxes(1, 2).reshape(-1, across * columns)
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "WEBP", quality=80)
    return base64.b64encode(stream.getvalue()).decode()


def _thresholds(run: Run) -> list[Threshold]:
    path = run.folder / "thresholds.json"
    return load_thresholds(path) if path.is_file() else []


def _scan(scan: str, shown: Sequence[tuple[Run, ScoreHistogram]], seen: _Pictures | None) -> dict[str, Any]:
    histogram = next(histogram for _, histogram in shown if scan in histogram.scans)
    marks = None if seen is None else seen.marks
    largest = 0 if marks is None else int((marks > 1 if (marks > 1).any() else marks).sum(axis=(1, 2)).argmax())
    return {
        "id": scan,
        "voxel_ml": histogram.voxel_ml(scan),
        "shape": None if marks is None else marks.shape,
        "slice": largest,
    }


def _method(
    run: Run, histogram: ScoreHistogram, slider: Stops, results: pd.DataFrame, scans: Sequence[str]
) -> dict[str, Any]:
    row = results[results["method"] == run.method].iloc[0]
    known = set(histogram.scans)
    return {
        "id": run.method,
        "title": str(row["title"]),
        "kind": kind(row),
        "seed": run.seed,
        "low": slider.low,
        "high": slider.high,
        "stops": slider.values.tolist(),
        "rules": slider.rules,
        "counts": [_counts(histogram.scan(scan), slider.values) if scan in known else None for scan in scans],
    }


def _counts(counts: Counts, values: NDArray[np.float32]) -> dict[str, Any]:
    """Lesion pixels of the scan, and lesion and normal pixels of the mask at each stop."""
    first = np.searchsorted(counts.lower, values)
    above = (np.append(part.astype(np.int64)[::-1].cumsum()[::-1], 0) for part in (counts.positives, counts.negatives))
    tp, fp = (reach[first].tolist() for reach in above)
    return {"lesion": counts.n_positive, "tp": tp, "fp": fp}
