"""What parameters of an inferer are chosen by: handlers that judge an evaluation, before any test scan is seen."""

from __future__ import annotations

from typing import Any

from ignite import distributed as idist
from ignite.engine import Engine, Events

from pipeline.errors import PipelineError
from pipeline.handlers.score_histogram import ScoreHistogramHandler
from pipeline.metrics import ScoreHistogram, average_precision
from pipeline.metrics.distributed import gather_rows


class LabelledPrecision:
    """Average precision of all pixels of the labelled validation scans.

    Args:
        split: with labelled lesions, never the test.
    """

    needs_labels = True

    def __init__(self, split: str = "validation") -> None:
        self.split = split
        self.name = f"average precision on {split}"
        self.histogram = ScoreHistogram()

    def attach(self, engine: Engine) -> None:
        ScoreHistogramHandler(self.histogram).attach(engine)

    def value(self) -> float:
        return average_precision(self.histogram.pooled()).value


class HealthyObjective:
    """Minus the mean of what the inferer minimises (`Scored.objective`), over the first `scans` held-out normals.

    Args:
        split: of healthy scans.
        scans: how many of them.

    Raises:
        PipelineError: the inferer minimises nothing.
    """

    needs_labels = False

    def __init__(self, split: str = "calibration", scans: int = 4) -> None:
        self.split = split
        self.name = f"minus the objective on {split}"
        self.scans = scans
        self.values: list[float] = []

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, lambda _: self.values.clear())
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._add)

    def _add(self, engine: Engine) -> None:
        output: Any = engine.state.output
        if output["objective"] is None:
            raise PipelineError(f"{self.name}: the inferer minimises nothing; choose by LabelledPrecision instead")
        self.values.append(float(output["objective"].mean()))
        if len(self.values) >= len(range(idist.get_rank(), self.scans, idist.get_world_size())):
            engine.terminate()

    def value(self) -> float:
        values = gather_rows(self.values)
        return -sum(values) / len(values)
