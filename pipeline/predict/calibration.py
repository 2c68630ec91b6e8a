"""Thresholds and normals of a model from whole volumes, by the same way that a new scan goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pipeline.errors import PipelineError
from pipeline.metrics import ScoreHistogram, Threshold, conformal, healthy_fpr, operating_point, percentile
from pipeline.predict.normals import Normals, count, learn_normals, scan_name, statistics, subject_of
from pipeline.predict.volume import Network, ScoredVolume, Slices, score_volume


@dataclass(frozen=True)
class KnownScan:
    """A prepared scan whose state is known: healthy, or with a complete label.

    Args:
        subject: its id in its data set. checks: of its preparation.
        person: digest of the subject, see `pipeline.predict.seen`. content: SHA-256 of the scan.
    """

    subject: str
    slices: Slices
    checks: dict[str, float]
    person: str = ""
    content: str = ""


@dataclass(frozen=True)
class Measured:
    """Scans that were scored: their histogram, and by name the map (on disk) and the statistics of each."""

    histogram: ScoreHistogram
    volumes: list[tuple[str, Path, dict[str, float]]]

    def normals(self, thresholds: Sequence[Threshold]) -> Normals:
        """What a new scan is compared with."""
        scans = ((name, _read(path), facts) for name, path, facts in self.volumes)
        return learn_normals(scans, self.histogram, thresholds)


@contextmanager
def measured(network: Network, scans: Iterable[KnownScan], kind: str) -> Iterator[Measured]:
    """Score `scans`, one at a time; their maps lie in a temporary folder until the block ends.

    Args:
        kind: `normal` or `patient`, the first part of their names in the model.
    """
    support = support_name(network)
    histogram, volumes = ScoreHistogram(support=support), []
    numbers, scans_of = dict[str, int](), Counter[str]()
    with TemporaryDirectory(prefix="lesionless-") as folder:
        for scan in scans:
            number = numbers.setdefault(scan.subject, len(numbers) + 1)
            scans_of[scan.subject] += 1
            name = scan_name(kind, number, scans_of[scan.subject])
            volume = score_volume(network, scan.slices)
            lesion = scan.slices.lesion
            count(histogram, name, volume, None if lesion is None else np.moveaxis(lesion, 0, 2))
            path = Path(folder) / f"{name}.npz"
            np.savez(path, **vars(volume))
            volumes.append((name, path, statistics(volume, scan.slices, scan.checks)))
        yield Measured(histogram, volumes)


def support_name(network: Network) -> str:
    """The support in words, as on the protocol card."""
    if network.erosion_px is not None:
        return f"brain eroded {network.erosion_px} x {network.erosion_px} px"
    return f"brain eroded {network.erosion_mm:g} mm" if network.erosion_mm else "brain"


def learn_thresholds(
    normals: ScoreHistogram,
    percentiles: Sequence[float],
    patients: ScoreHistogram | None = None,
    promise: tuple[float, float] | None = None,
    rate: float = 0.01,
) -> list[Threshold]:
    """The thresholds of a model: `val_op` where there are patients, percentiles, `healthy_fpr`, `conformal`.

    Args:
        promise: α and mL of the conformal threshold; None: none.
        rate: of false positives, on average over the normals.

    Raises:
        PipelineError: no normals, or an α that they cannot keep.
    """
    subjects = {scan: subject_of(scan) for scan in normals.scans}
    if not subjects:
        raise PipelineError("no held-out normals to learn thresholds from: healthy scans of the split calibration")
    rules = [percentile(normals, q, subjects) for q in percentiles]
    rules.append(healthy_fpr(normals, rate, subjects))
    if promise is not None:
        rules.append(conformal(normals, *promise, subjects))
    if patients is not None and patients.scans:
        rules.insert(0, operating_point(patients, {scan: subject_of(scan) for scan in patients.scans}))
    return rules


def own_threshold(thresholds: Sequence[Threshold]) -> str:
    """The rule that a model uses unless told otherwise: `val_op`, else its strictest percentile."""
    rules = [threshold.rule for threshold in thresholds]
    percentiles = [rule for rule in rules if rule.startswith("p")]
    return "val_op" if "val_op" in rules else max(percentiles, key=lambda rule: float(rule[1:]))


def of_cell(thresholds: Sequence[Threshold], cell: str) -> list[Threshold]:
    """The same thresholds, named as those of a cell: `p95@scanner A`."""
    return [replace(rule, rule=f"{rule.rule}@{cell}") for rule in thresholds] if cell else list(thresholds)


def _read(path: Path) -> ScoredVolume:
    with np.load(path, allow_pickle=False) as file:
        return ScoredVolume(**file)
