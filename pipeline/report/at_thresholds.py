"""What the masks of a method are over its thresholds, scan by scan: what several figures are drawn of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics import ScoreHistogram
from pipeline.metrics.percentiles import percentile
from pipeline.report.results import Run

THRESHOLDS, DRAWS = 200, 500


@dataclass(frozen=True)
class AtThresholds:
    """Counts of the test scans of a run.

    Args:
        marked: [K] share of all pixels that the mask holds, descending. values: [K] ascending thresholds.
        tp: [S, K] lesion pixels of each scan in the mask. fp: [S, K] normal pixels in it.
        lesion: [S] lesion pixels of each scan. normal: [S] normal pixels.
        scans: [S] ids.
    """

    marked: NDArray[np.float64]
    values: NDArray[np.float64]
    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    lesion: NDArray[np.int64]
    normal: NDArray[np.int64]
    scans: list[str]

    def draws(self, seed: int = 0) -> NDArray[np.int64]:
        """[R, S] how often each scan is in each bootstrap draw of the scans."""
        count = len(self.scans)
        return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), DRAWS)


def at_thresholds(run: Run) -> AtThresholds | None:
    """The counts of a run; `None` where it kept no histogram. Thresholds are dense where masks are small."""
    path: Path = run.folder / "test.npz"
    if not path.is_file():
        return None
    test = ScoreHistogram.load(path)
    pooled = test.pooled()
    shares = np.unique(np.concatenate([np.geomspace(100, 0.001, THRESHOLDS), np.linspace(0, 100, THRESHOLDS // 4)]))
    values = np.unique([percentile(pooled, 100 - share) for share in shares])
    tp: list[NDArray[np.int64]] = []
    fp: list[NDArray[np.int64]] = []
    for scan in test.scans:
        counts = test.scan(scan)
        first = np.searchsorted(counts.lower, values.astype(np.float32))
        for part, into in ((counts.positives, tp), (counts.negatives, fp)):
            into.append(np.append(part.astype(np.int64)[::-1].cumsum()[::-1], 0)[first])
    lesion, normal = ([getattr(test.scan(scan), name) for scan in test.scans] for name in ("n_positive", "n_negative"))
    marked = (np.sum(tp, axis=0) + np.sum(fp, axis=0)) / (pooled.n_positive + pooled.n_negative)
    return AtThresholds(marked, values, np.array(tp), np.array(fp), np.array(lesion), np.array(normal), test.scans)
