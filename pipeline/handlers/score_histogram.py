"""Counting the pixels of anomaly maps while an evaluator runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ignite.engine import Engine, Events
from torch import Tensor

from pipeline.metrics.distributed import gather
from pipeline.metrics.histogram import ScoreHistogram


def slices_of_a_scan(output: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor, Sequence[str]]:
    """Map, lesion, support and scan ids from the output of an evaluator whose target is the batch (`PrepareSlices`)."""
    batch = output["label"]
    return output["pred"], batch["lesion"], batch["support"], batch["scan"]


class ScoreHistogramHandler:
    """Fills a ScoreHistogram over an epoch of an evaluator, and at its end from all ranks.

    Args:
        histogram: emptied when an epoch starts.
        output_transform: from `engine.state.output` to the arguments of `ScoreHistogram.update`: maps, lesions,
            supports [N, 1, ...] and N scan ids.
        voxel_ml: volume of a voxel in mL, for the figures in mL.
    """

    def __init__(
        self,
        histogram: ScoreHistogram,
        output_transform: Callable[
            [Any], tuple[Tensor, Tensor | None, Tensor | None, Sequence[str]]
        ] = slices_of_a_scan,
        voxel_ml: float | None = None,
    ) -> None:
        self.histogram = histogram
        self.output_transform = output_transform
        self.voxel_ml = voxel_ml

    def attach(self, engine: Engine) -> None:
        """Connect to the events of an engine."""
        engine.add_event_handler(Events.EPOCH_STARTED, lambda _: self.histogram.reset())
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._update)
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda _: self.histogram.take(gather(self.histogram)))

    def _update(self, engine: Engine) -> None:
        self.histogram.update(*self.output_transform(engine.state.output), voxel_ml=self.voxel_ml)
