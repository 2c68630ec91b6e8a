"""The figures of an evaluated method on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from ignite.engine import Engine, Events

from pipeline.errors import PipelineError
from pipeline.metrics import ScoreHistogram, load_thresholds, scan_table, summarise


class Results:
    """When all test scans have been scored: `metrics.csv` (one row), `scans.csv` (a row a scan), `test.npz`.

    The row holds the method, the figures of `pipeline.metrics.summarise` and the protocol card (`card_*`).

    Args:
        histogram: of the test scans, filled by a ScoreHistogramHandler that is attached before.
        output_dir: also where `thresholds.json` lies.
        row: columns that name the run: method, title, floor, seed.
        card: the protocol, see `protocol_card`.

    Raises:
        PipelineError: the thresholds were not learnt yet; raised before any scan is scored.
    """

    def __init__(self, histogram: ScoreHistogram, output_dir: str, row: dict[str, Any], card: dict[str, Any]) -> None:
        self.histogram = histogram
        self.output_dir = Path(output_dir)
        self.row = row
        self.card = card

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self._check)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _check(self, engine: Engine) -> None:
        path = self.output_dir / "thresholds.json"
        if not path.is_file():
            raise PipelineError(f"missing thresholds '{path}': run the stage calibrate first")
        self.thresholds = load_thresholds(path)

    def _write(self, engine: Engine) -> None:
        self.output_dir.mkdir(parents=True, exist_ok=True)
        figures = summarise(self.histogram, self.thresholds)
        card = {f"card_{name}": value for name, value in self.card.items()}
        self.histogram.save(self.output_dir / "test.npz")
        self._table("scans.csv", scan_table(self.histogram, self.thresholds))
        self._table("metrics.csv", [{**self.row, **figures, **card}])

    def _table(self, name: str, rows: list[dict[str, Any]]) -> None:
        temporary = self.output_dir / f".{name}"
        pd.DataFrame(rows).to_csv(temporary, index=False)
        temporary.replace(self.output_dir / name)
