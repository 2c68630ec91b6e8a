"""What the held-out normals of a model look like to it: what a new scan is compared with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from pipeline.documents import check_kinds, read_document
from pipeline.errors import PipelineError
from pipeline.files import write_json
from pipeline.metrics import ScoreHistogram, Threshold
from pipeline.predict.lesions import largest_ml
from pipeline.predict.volume import ScoredVolume, Slices

SCORE_QUANTILES = (25, 50, 75)  # the middle of the scores: a lesion of a tenth of the brain hardly moves them
INTENSITY_QUANTILES = (5, 25, 75, 95)


@dataclass(frozen=True)
class Normals:
    """Whole volumes of healthy scans that the model has not learnt from.

    Args:
        histogram: of their scores in the support, a scan each, by names that say nothing of the person.
        statistics: by name, a value a scan: quantiles of scores and intensities, checks of the preparation.
        largest_ml: by the rule of a threshold, the largest lesion of each scan in mL, in the size of the atlas.
    """

    histogram: ScoreHistogram
    statistics: dict[str, list[float]] = field(default_factory=dict)
    largest_ml: dict[str, list[float]] = field(default_factory=dict)

    @property
    def scans(self) -> list[str]:
        """Their names, in the order of all lists."""
        return self.histogram.scans

    def volumes_ml(self, threshold: float) -> list[float]:
        """Volume at least `threshold` in each scan, in mL, in the size of the atlas."""
        return [volume_ml(self.histogram, scan, threshold) for scan in self.scans]

    def save(self, folder: Path, name: str) -> None:
        """Write `name`.npz and `name`.json."""
        self.histogram.save(folder / f"{name}.npz")
        write_json(folder / f"{name}.json", {"statistics": self.statistics, "largest_ml": self.largest_ml})

    @classmethod
    def load(cls, folder: Path, name: str) -> Normals:
        """Read what `save` wrote."""
        content = read_document(folder / f"{name}.json")
        check_kinds(content, {"statistics": {str: [float]}, "largest_ml": {str: [float]}}, f"{folder / name}.json")
        return cls(ScoreHistogram.load(folder / f"{name}.npz"), content["statistics"], content["largest_ml"])


def scan_name(kind: str, subject: int, scan: int) -> str:
    """The name of a scan in a model, which says nothing of the person: `normal001_1`.

    >>> scan_name("normal", 1, 2), subject_of("normal001_2")
    ('normal001_2', 'normal001')
    """
    return f"{kind}{subject:03d}_{scan}"


def subject_of(name: str) -> str:
    """The subject of a scan of a model."""
    return name.partition("_")[0]


def volume_ml(histogram: ScoreHistogram, scan: str, threshold: float) -> float:
    """Volume of one scan at `threshold`, in mL."""
    voxel = histogram.voxel_ml(scan)
    if voxel is None:
        raise PipelineError(f"the volume of a voxel of scan '{scan}' is not known")
    return sum(histogram.scan(scan).at_least(threshold)) * voxel


def statistics(volume: ScoredVolume, slices: Slices, checks: Mapping[str, float]) -> dict[str, float]:
    """What drift is judged by: quantiles of scores in the support and of intensities in the brain, and `checks`."""
    scores, grey = volume.scores[volume.support], slices.image[slices.brain]
    found = {f"score q{q}": float(value) for q, value in _quantiles(scores, SCORE_QUANTILES)}
    found |= {f"intensity q{q}": float(value) for q, value in _quantiles(grey, INTENSITY_QUANTILES)}
    return {**found, **{f"check {name}": float(value) for name, value in checks.items()}}


def learn_normals(
    scans: Iterable[tuple[str, ScoredVolume, Mapping[str, float]]],
    histogram: ScoreHistogram,
    thresholds: Sequence[Threshold],
) -> Normals:
    """The normals of a model, from name, map and statistics of each scan, one by one; `histogram` holds the same."""
    facts: dict[str, Mapping[str, float]] = {}
    largest: dict[str, list[float]] = {}
    for name, volume, of_scan in scans:
        facts[name] = of_scan
        largest[name] = [_largest(volume, rule.value) for rule in thresholds]
    order = histogram.scans
    shared = sorted(set.intersection(*map(set, facts.values()))) if facts else []
    return Normals(
        histogram,
        {name: [float(facts[scan][name]) for scan in order] for name in shared},
        {rule.rule: [largest[scan][place] for scan in order] for place, rule in enumerate(thresholds)},
    )


def count(histogram: ScoreHistogram, name: str, volume: ScoredVolume, lesion: np.ndarray | None = None) -> None:
    """Add the scores of one volume, in its support, to a histogram; `lesion` [H, W, N] is its label."""

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array))[None, None]

    label = None if lesion is None else tensor(lesion & volume.support)
    histogram.update(tensor(volume.scores), label, tensor(volume.support), [name], voxel_ml=volume.voxel_ml)


def _largest(volume: ScoredVolume, threshold: float) -> float:
    return largest_ml(volume.support & (volume.scores >= np.float32(threshold)), volume.voxel_ml)


def _quantiles(values: np.ndarray, which: Sequence[int]) -> list[tuple[int, float]]:
    return list(zip(which, np.percentile(values, which), strict=True)) if len(values) else [(q, 0.0) for q in which]
