"""The figures of an evaluated method on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from ignite import distributed as idist
from ignite.engine import Engine, Events

from pipeline.errors import PipelineError
from pipeline.files import write_csv
from pipeline.metrics import ScoreHistogram, Threshold, load_thresholds, scan_table, summarise
from pipeline.metrics.distributed import gather_rows
from pipeline.metrics.lesions import lesion_counts
from pipeline.metrics.overlap import surface_distance


class Figures(Protocol):
    """A handler that measures something of its own; all ranks ask for its figures, of all ranks' scans."""

    def figures(self) -> dict[str, float]: ...


class Results:
    """When all test scans have been scored: `metrics.csv` (one row), `scans.csv` (a row a scan), `test.npz`.

    The row holds the method, the figures of `pipeline.metrics.summarise`, means over scans of the surface distances in
    mm and of the lesion-wise figures at each threshold, and the protocol card (`card_*`).

    Args:
        histogram: of the test scans, filled by a ScoreHistogramHandler that is attached before.
        output_dir: also where `thresholds.json` lies.
        row: columns that name the run: method, title, floor, seed.
        card: the protocol, see `protocol_card`.
        spacing_mm: of the pseudo-volume along x, y and z. lesion_min_ml: smaller objects are not counted.
        more: other handlers whose `figures()` join the row.

    Raises:
        PipelineError: the thresholds were not learnt yet; raised before any scan is scored.
    """

    def __init__(
        self,
        histogram: ScoreHistogram,
        output_dir: str,
        row: dict[str, Any],
        card: dict[str, Any],
        spacing_mm: Sequence[float],
        lesion_min_ml: float,
        more: Sequence[Figures] = (),
    ) -> None:
        self.histogram = histogram
        self.output_dir = Path(output_dir)
        self.row = row
        self.card = card
        self.spacing = (spacing_mm[2], spacing_mm[0], spacing_mm[1])
        self.lesion_min_ml = lesion_min_ml
        self.more = more
        self.thresholds: list[Threshold] = []
        self.objects: list[dict[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self._check)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._add_objects)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _check(self, engine: Engine) -> None:
        path = self.output_dir / "thresholds.json"
        if not path.is_file():
            raise PipelineError(f"missing thresholds '{path}': run the stage calibrate first")
        self.thresholds = load_thresholds(path)

    def _add_objects(self, engine: Engine) -> None:
        output: Any = engine.state.output
        batch = output["label"]
        anomaly, lesion, support = (part[:, 0].cpu() for part in (output["pred"], batch["lesion"], batch["support"]))
        figures: dict[str, Any] = {"scan": batch["scan"][0]}
        for threshold in self.thresholds:
            mask, label, at = (anomaly >= threshold.value) & support, lesion & support, f"@{threshold.rule}"
            distance = surface_distance(mask, label, self.spacing)
            found = lesion_counts(mask.numpy(), label.numpy(), self.spacing, self.lesion_min_ml)
            figures |= {f"hd{at}": distance.hd, f"hd95{at}": distance.hd95, f"lesion_recall{at}": found.recall}
            figures |= {f"lesion_f1{at}": found.f1, f"false_lesions{at}": found.false}
        self.objects.append(figures)

    def _write(self, engine: Engine) -> None:
        found = gather_rows(self.objects)
        more = [handler.figures() for handler in self.more]
        if idist.get_rank() != 0:
            return
        self.output_dir.mkdir(parents=True, exist_ok=True)
        objects = pd.DataFrame(found).drop_duplicates("scan").sort_values("scan")
        figures = {**summarise(self.histogram, self.thresholds), **objects.drop(columns="scan").mean()}
        for of_handler in more:
            figures |= of_handler
        card = {f"card_{name}": value for name, value in self.card.items()}
        self.histogram.save(self.output_dir / "test.npz")
        scans = pd.DataFrame(scan_table(self.histogram, self.thresholds))
        write_csv(self.output_dir / "scans.csv", scans.merge(objects, on="scan", how="left", validate="one_to_one"))
        write_csv(self.output_dir / "metrics.csv", pd.DataFrame([{**self.row, **figures, **card}]))
