"""What parameters of an inferer are chosen by: handlers that judge an evaluation, before any test scan is seen."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np
import torch
from ignite import distributed as idist
from ignite.engine import Engine, Events
from torch import Tensor

from pipeline.errors import PipelineError
from pipeline.handlers.score_histogram import ScoreHistogramHandler, slices_of_a_scan
from pipeline.metrics import ScoreHistogram, average_precision
from pipeline.metrics.distributed import gather_rows
from pipeline.painting import PaintedLesions

HALF = 0.5  # of a soft label, from which on a pixel counts as lesion


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


class LabelledScanPrecision(LabelledPrecision):
    """Average precision of each labelled validation scan with a lesion, their mean."""

    def __init__(self, split: str = "validation") -> None:
        super().__init__(split)
        self.name = f"mean average precision a scan on {split}"

    def value(self) -> float:
        return _mean_precision(self.histogram)


class PaintedPrecision:
    """Mean average precision of the slices of normal scans on which held-out kinds of lesions were painted.

    Each slice is painted the same way whenever it is asked for; slices that show a real lesion do not count. So an
    epoch or a parameter can be chosen without a lesion of a patient. Lesions are painted slice by slice: this cannot
    judge a smoothing across slices.

    Args:
        lesions: paints kinds that the network was not trained with.
        split: whose scans are painted on, never the test.
        scans: how many of them, the first ones of each rank.
        seed: of the paintings.

    Source: held-out synthetic tasks as in Baugh et al. 2023.
    """

    needs_labels = False

    def __init__(self, lesions: PaintedLesions, split: str = "calibration", scans: int = 8, seed: int = 0) -> None:
        self.lesions = lesions
        self.split = split
        self.name = f"mean average precision of held-out paintings on {split}"
        self.scans = scans
        self.seed = seed
        self.histogram = ScoreHistogram()

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.ITERATION_STARTED, self._paint)
        engine.add_event_handler(Events.ITERATION_COMPLETED(once=self.scans), lambda _: engine.terminate_epoch())
        ScoreHistogramHandler(self.histogram, painted_slices).attach(engine)

    def value(self) -> float:
        return _mean_precision(self.histogram)

    def _paint(self, engine: Engine) -> None:
        state: Any = engine.state
        batch = state.batch
        rng = np.random.default_rng([self.seed, zlib.crc32(batch["scan"][0].encode())])
        images, brains = (batch[name][:, 0].numpy() for name in ("image", "brain"))
        where = zip(images, brains, batch["z"].tolist(), batch["scan"], strict=True)
        painted = [self.lesions(rng, *slice_) for slice_ in where]
        image, label = (np.stack(parts).astype(np.float32) for parts in list(zip(*painted, strict=True))[:2])
        free = ~batch["lesion"].flatten(1).any(dim=1)[:, None, None, None]
        new = {"image": torch.from_numpy(image)[:, None], "lesion": torch.from_numpy(label > HALF)[:, None]}
        state.batch = {**batch, **new, "support": batch["support"] & free}


def painted_slices(output: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor, list[str]]:
    """As `slices_of_a_scan`, with each slice that has a support as a scan of its own."""
    maps, lesion, support, scans = slices_of_a_scan(output)
    seen = support.flatten(1).any(dim=1)
    names = [f"{scan} {row}" for scan, row in zip(scans, output["label"]["row"].tolist(), strict=True)]
    return (
        maps[seen],
        lesion[seen],
        support[seen],
        [name for name, keep in zip(names, seen.tolist(), strict=True) if keep],
    )


def _mean_precision(histogram: ScoreHistogram) -> float:
    """Of the scans with a lesion; nan where there is none."""
    counts = [histogram.scan(scan) for scan in histogram.scans]
    values = [average_precision(one).value for one in counts if one.n_positive]
    return float(np.mean(values)) if values else math.nan


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
