"""Parameters of an inferer that are chosen before any test scan is seen."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Protocol

from ignite import distributed as idist
from ignite.engine import Engine, Events
from monai.inferers import Inferer

from pipeline.errors import PipelineError
from pipeline.files import write_json
from pipeline.handlers.score_histogram import ScoreHistogramHandler
from pipeline.inferers import Scorer
from pipeline.metrics import ScoreHistogram, average_precision
from pipeline.metrics.distributed import gather_rows

logger = logging.getLogger(__name__)


class Criterion(Protocol):
    """A handler that judges an evaluation; the candidate of the highest value is chosen.

    split: of the scans that it looks at. needs_labels: whether they have to have lesions with labels.
    """

    split: str
    name: str
    needs_labels: bool

    def attach(self, engine: Engine) -> None: ...

    def value(self) -> float: ...


class LabelledPrecision:
    """Average precision of all pixels of the labelled validation scans."""

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
    """Minus the mean of what the inferer minimises (`last_objective`) over the first `scans` held-out normals."""

    needs_labels = False

    def __init__(self, split: str = "calibration", scans: int = 4) -> None:
        self.split = split
        self.name = f"minus the objective on {split}"
        self.scans = scans
        self.values: list[float] = []

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, lambda _: self.values.clear())
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._add)

    def _add(self, engine: Any) -> None:
        self.values.append(engine.inferer.inferer.last_objective)
        if len(self.values) >= len(range(idist.get_rank(), self.scans, idist.get_world_size())):
            engine.terminate()

    def value(self) -> float:
        values = gather_rows(self.values)
        return -sum(values) / len(values)


class Tuning:
    """Chooses parameters of an inferer from candidates, writes the choice, and applies it ever after.

    Args:
        path: `choices.json`: the chosen values, and the criterion's value for every candidate.
        candidates: for each parameter (an attribute of the inferer) its values; all combinations are tried. Empty:
            nothing is chosen, nothing is written.
        criterion: what is highest for the chosen one; average precision on labelled validation unless given.
        labels: whether there are labelled validation scans. Without them, a criterion that needs them chooses nothing:
            the inferer keeps the values of its method, and a warning says so.

    Raises:
        PipelineError: the inferer has no such parameter; the choice is needed and was not made yet, or was made from
            other candidates; the criterion is undefined for every candidate.
    """

    def __init__(
        self,
        path: str,
        candidates: Mapping[str, Sequence[Any]] | None = None,
        criterion: Criterion | None = None,
        labels: bool = True,
    ) -> None:
        self.path = Path(path)
        self.criterion: Criterion = criterion or LabelledPrecision()
        able = labels or not self.criterion.needs_labels
        self.candidates = dict(candidates or {}) if able else {}
        self.kept = [] if able else sorted(candidates or {})
        self.chosen: dict[str, Any] | None = None

    def choose(self, scorer: Scorer, split_evaluator: Callable[..., Any]) -> None:
        """Evaluate every candidate with `split_evaluator(split=, handlers=)`, whose inferer is `scorer`."""
        if self.kept:
            own = {name: getattr(scorer.inferer, name, None) for name in self.kept}
            logger.warning("%s needs labelled scans; not chosen but the method's own: %s", self.criterion.name, own)
        if not self.candidates:
            return
        tried = []
        for values in product(*self.candidates.values()):
            self.chosen = dict(zip(self.candidates, values, strict=True))
            split_evaluator(split=self.criterion.split, handlers=[self.criterion]).run()
            tried.append({**self.chosen, "value": self.criterion.value()})
            logger.info("%s: %s", self.criterion.name, tried[-1])
        defined = [row for row in tried if not math.isnan(row["value"])]
        if not defined:
            raise PipelineError(f"{self.criterion.name} is undefined: no candidate of {self.candidates} can be chosen")
        best = max(defined, key=lambda row: row["value"])
        self.chosen = {name: best[name] for name in self.candidates}
        self._write({"chosen": self.chosen, "criterion": self.criterion.name, "tried": tried})

    def apply(self, inferer: Inferer) -> None:
        """Set the chosen values on the inferer."""
        if not self.candidates:
            return
        self.chosen = self.chosen or self._read()
        for name, value in self.chosen.items():
            if not hasattr(inferer, name):
                known = ", ".join(sorted(key for key in vars(inferer) if not key.startswith("_")))
                raise PipelineError(f"{type(inferer).__name__} has no parameter '{name}' to tune; available: {known}")
            setattr(inferer, name, value)

    def _read(self) -> dict[str, Any]:
        if not self.path.is_file():
            raise PipelineError(f"missing choices '{self.path}': run the stage calibrate first")
        chosen: dict[str, Any] = json.loads(self.path.read_text())["chosen"]
        if set(chosen) != set(self.candidates) or any(chosen[k] not in self.candidates[k] for k in chosen):
            raise PipelineError(f"'{self.path}' was chosen from other candidates: run the stage calibrate again")
        return chosen

    @idist.one_rank_only(with_barrier=True)
    def _write(self, content: dict[str, Any]) -> None:
        write_json(self.path, content)
