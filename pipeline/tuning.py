"""Parameters of an inferer that are chosen before any test scan is seen."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Protocol

from ignite import distributed as idist
from ignite.engine import Engine

from pipeline.contracts import MapInferer, PlacedInferer
from pipeline.documents import check_kinds, read_document
from pipeline.errors import PipelineError
from pipeline.files import write_json
from pipeline.handlers.criteria import LabelledPrecision
from pipeline.inferers import Scorer

logger = logging.getLogger(__name__)
AnyInferer = MapInferer | PlacedInferer


class Criterion(Protocol):
    """A handler that judges an evaluation; the candidate of the highest value is chosen.

    split: of the scans that it looks at. needs_labels: whether they have to have lesions with labels.
    """

    split: str
    name: str
    needs_labels: bool

    def attach(self, engine: Engine) -> None: ...

    def value(self) -> float: ...


def with_parameters(inferer: AnyInferer, parameters: Mapping[str, Any]) -> AnyInferer:
    """An inferer like the given one, built with these parameters in place of its own.

    Raises:
        PipelineError: it has no such parameter; the message lists those that it has.
    """
    known: list[str] = [field.name for field in fields(inferer)] if is_dataclass(inferer) else []
    for name in parameters:
        if name not in known:
            found = ", ".join(sorted(known)) or "none, as it is no dataclass"
            raise PipelineError(f"{type(inferer).__name__} has no parameter '{name}' to tune; available: {found}")
    return replace(inferer, **parameters)  # type: ignore[type-var]


class Tuning:
    """Chooses parameters of an inferer from candidates, writes the choice, and builds the inferer with it ever after.

    Args:
        path: `choices.json`: the chosen values, and the criterion's value for every candidate.
        candidates: for each parameter of the inferer its values; all combinations are tried. Empty:
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
        """Evaluate the scorer with every candidate and keep the best.

        Args:
            scorer: whose inferer is tuned.
            split_evaluator: `(split=, handlers=, inferer=) -> evaluator`, see `pipeline.engines.split_evaluator`.
        """
        if self.kept:
            own = {name: getattr(scorer.inferer, name, None) for name in self.kept}
            logger.warning("%s needs labelled scans; not chosen but the method's own: %s", self.criterion.name, own)
        if not self.candidates:
            return
        tried = []
        for values in product(*self.candidates.values()):
            candidate = dict(zip(self.candidates, values, strict=True))
            of_candidate = replace(scorer, inferer=with_parameters(scorer.inferer, candidate), tuning=None)
            split_evaluator(split=self.criterion.split, handlers=[self.criterion], inferer=of_candidate).run()
            tried.append({**candidate, "value": self.criterion.value()})
            logger.debug("%s: %s", self.criterion.name, tried[-1])
        defined = [row for row in tried if not math.isnan(row["value"])]
        if not defined:
            raise PipelineError(f"{self.criterion.name} is undefined: no candidate of {self.candidates} can be chosen")
        best = max(defined, key=lambda row: row["value"])
        self.chosen = {name: best[name] for name in self.candidates}
        self._write({"chosen": self.chosen, "criterion": self.criterion.name, "tried": tried})

    def tuned(self, inferer: AnyInferer) -> AnyInferer:
        """The inferer with the chosen parameters; the inferer itself where nothing is to be chosen."""
        if not self.candidates:
            return inferer
        self.chosen = self.chosen or self._read()
        return with_parameters(inferer, self.chosen)

    def _read(self) -> dict[str, Any]:
        if not self.path.is_file():
            raise PipelineError(f"missing choices '{self.path}': run the stage calibrate first")
        content = read_document(self.path)
        check_kinds(content, {"chosen": {}}, str(self.path))
        chosen: dict[str, Any] = content["chosen"]
        if set(chosen) != set(self.candidates) or any(chosen[k] not in self.candidates[k] for k in chosen):
            raise PipelineError(f"'{self.path}' was chosen from other candidates: run the stage calibrate again")
        return chosen

    @idist.one_rank_only(with_barrier=True)
    def _write(self, content: dict[str, Any]) -> None:
        write_json(self.path, content)
