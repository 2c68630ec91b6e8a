"""One scan, from its slices to what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics import ScoreHistogram, Threshold
from pipeline.predict.drift import Drift, drift
from pipeline.predict.lesions import Lesion, find_lesions
from pipeline.predict.model import Model
from pipeline.predict.native import Grid, NativeScores, to_scan
from pipeline.predict.normals import Normals, count, statistics, volume_ml
from pipeline.predict.outputs import USE
from pipeline.predict.verdict import Verdict, conformal_rule, decide
from pipeline.predict.volume import Network, ScoredVolume, Slices, score_volume

_SCAN = "scan"


@dataclass(frozen=True)
class Prediction:
    """What a model says of one scan.

    Args:
        volume: the map on the grid of the network. native: on the scan's own grid.
        mask: [X, Y, Z] on the scan's own grid. lesions: its parts, the largest first.
        summary: figures of the whole scan.
    """

    volume: ScoredVolume
    native: NativeScores
    mask: NDArray[np.bool_]
    lesions: list[Lesion]
    summary: dict[str, Any]


def predict(
    model: Model,
    network: Network,
    slices: Slices,
    grid: Grid,
    transform: NDArray[np.float64],
    *,
    threshold: Threshold,
    cell: str,
    lesion_min_ml: float,
    checks: Mapping[str, float],
    label: NDArray[np.bool_] | None = None,
) -> Prediction:
    """Map, mask, lesions and summary of one scan.

    Args:
        slices: the prepared scan. grid: of the scan's file.
        transform: mm of the atlas → mm of the scan (RAS), 4×4.
        threshold: of the mask. cell: of the normals that the scan is compared with.
        lesion_min_ml: smaller parts of the mask are not listed.
        checks: of the preparation, for drift.
        label: [X, Y, Z] on the grid of the scan, for a Dice in the summary and nothing else; None without one.
    """
    normals = model.normals[cell]
    volume = score_volume(network, slices)
    native = to_scan(volume, grid, transform)
    largest = normals.largest_ml.get(threshold.rule, [])
    mask, lesions = find_lesions(native, threshold.value, lesion_min_ml, largest)
    found = drift(statistics(volume, slices, checks), normals.statistics)
    summary = {
        **_volumes(volume, mask, lesions, grid, threshold, normals),
        **_verdict(model, cell, volume, found),
        "drift": None if found is None else asdict(found),
        "dice": None if label is None else _dice(mask, label),
        "use": USE,
    }
    return Prediction(volume, native, mask, lesions, summary)


def _volumes(
    volume: ScoredVolume, mask: NDArray, lesions: list[Lesion], grid: Grid, threshold: Threshold, normals: Normals
) -> dict[str, Any]:
    histogram = _histogram(volume)
    among = volume_ml(histogram, _SCAN, threshold.value)
    usual = normals.volumes_ml(threshold.value)
    return {
        "volume_ml": round(float(np.count_nonzero(mask)) * grid.voxel_ml, 4),
        "volume_ml_in_atlas": round(among, 4),
        "percentile_among_normals": round(100 * float(np.mean(np.asarray(usual) < among)), 1) if usual else None,
        "normals": len(usual),
        "lesions": len(lesions),
        "largest_lesion_ml": round(lesions[0].volume_mm3 / 1000, 4) if lesions else 0.0,
        "p_value": min((lesion.p_value for lesion in lesions), default=1.0),
        "peak": float(volume.scores[volume.support].max()) if volume.support.any() else 0.0,
        "threshold": asdict(threshold),
    }


def _verdict(model: Model, cell: str, volume: ScoredVolume, found: Drift | None) -> dict[str, Any]:
    rule = conformal_rule(model.thresholds[cell])
    if rule is None:
        why = "the model has no conformal threshold: lesionless calibrate --alpha A --ml V"
        return {"verdict": None, "verdict_reason": why}
    if found is not None and found.flagged:
        return {"verdict": None, "verdict_reason": f"the scan is unlike the normals of the model: {found.oddest}"}
    verdict: Verdict = decide(_histogram(volume), model.normals[cell].histogram, model.patients, rule)
    return {"verdict": verdict.verdict, "verdict_reason": verdict.promise, "verdict_details": asdict(verdict)}


def _histogram(volume: ScoredVolume) -> ScoreHistogram:
    histogram = ScoreHistogram()
    count(histogram, _SCAN, volume)
    return histogram


def _dice(mask: NDArray[np.bool_], label: NDArray[np.bool_]) -> float | None:
    """`2 |A ∩ B| / (|A| + |B|)`; None where both are empty."""
    total = np.count_nonzero(mask) + np.count_nonzero(label)
    return round(2 * float(np.count_nonzero(mask & label)) / total, 4) if total else None
