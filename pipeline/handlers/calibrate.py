"""Thresholds, learnt before any test label is seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ignite import distributed as idist
from ignite.engine import Engine, Events

from pipeline.metrics import ScoreHistogram, save_thresholds
from pipeline.metrics.threshold_rules import check_percentile, fixed, operating_point, percentile


class Calibrate:
    """When the last calibration scan has been scored: `thresholds.json`, `calibration.npz`, `validation.npz`.

    `p<q>` are percentiles of the support pixels of held-out normals; `val_op` is the best pooled Dice on validation.

    Args:
        normals: histogram of the held-out normals. validation: of the labelled validation scans; None where there are
            none, then there is no `val_op`.
        percentiles: each in (0, 100).
        fixed: given thresholds of maps in [0, 1], learnt from nothing.
        frame_pixels: of the normals' whole slices, for percentiles that count their background; None: of the support.

    Raises:
        PipelineError: a percentile that is no number in (0, 100).
    """

    def __init__(
        self,
        normals: ScoreHistogram,
        validation: ScoreHistogram | None,
        percentiles: Sequence[float],
        output_dir: str,
        fixed: Sequence[float] = (),
        frame_pixels: int | None = None,
    ) -> None:
        self.normals = normals
        self.validation = validation
        self.percentiles = [check_percentile(q) for q in percentiles]
        self.output_dir = Path(output_dir)
        self.fixed = fixed
        self.frame_pixels = frame_pixels

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.COMPLETED, self._write)

    @idist.one_rank_only(with_barrier=True)
    def _write(self, engine: Engine) -> None:
        self.output_dir.mkdir(parents=True, exist_ok=True)
        thresholds = [percentile(self.normals, q, frame_pixels=self.frame_pixels) for q in self.percentiles]
        thresholds += [fixed(value, self.normals.support, self.normals.bits) for value in self.fixed]
        self.normals.save(self.output_dir / "calibration.npz")
        if self.validation is not None:
            thresholds.insert(0, operating_point(self.validation))
            self.validation.save(self.output_dir / "validation.npz")
        save_thresholds(self.output_dir / "thresholds.json", thresholds)
