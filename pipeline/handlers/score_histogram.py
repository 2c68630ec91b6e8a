"""Counting the pixels of anomaly maps while an evaluator runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.metrics import Cumulative
from torch import Tensor

from pipeline.errors import check_choice
from pipeline.metrics.curves import auroc, average_precision, best_dice
from pipeline.metrics.distributed import gather
from pipeline.metrics.histogram import ScoreHistogram

FIGURES: dict[str, Callable[..., Any]] = {"auprc": average_precision, "auroc": auroc, "dice@oracle": best_dice}


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


class ScoreHistogramMetric(Cumulative):
    """MONAI metric over the pixels of all calls, in place of `AveragePrecisionMetric` and `ROCAUCMetric`.

    Calls take tensors [N, 1, ...] or lists of [1, ...]; `aggregate` gives the figure over all ranks, `get_buffer` the
    histogram. Works with `monai.handlers.IgniteMetricHandler(..., save_details=False)`.

    Args:
        figure: `auprc`, `auroc` or `dice@oracle`. bits, support: see ScoreHistogram.

    Raises:
        PipelineError: another figure.
    """

    def __init__(self, figure: str = "auprc", bits: int = 20, support: str = "frame") -> None:
        check_choice("figure", figure, FIGURES)
        self.figure = FIGURES[figure]
        self.histogram = ScoreHistogram(bits, support)
        super().__init__()

    def reset(self) -> None:
        """Forget all scans."""
        super().reset()
        self.histogram.reset()

    def __call__(
        self,
        y_pred: Tensor | Sequence[Tensor],
        y: Tensor | Sequence[Tensor],
        support: Tensor | Sequence[Tensor] | None = None,
        scans: Sequence[str] | None = None,
    ) -> None:
        """Count maps `y_pred` against labels `y` (0 or 1) in `support` (None: everywhere).

        Args:
            scans: one id a map; without it a padded sampler counts a scan twice.
        """
        rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
        names = scans or [f"all pixels of rank {rank}"] * len(y_pred)
        for i, name in enumerate(names):
            region = None if support is None else support[i][None]
            self.histogram.update(y_pred[i][None], y[i][None], region, [name])

    def get_buffer(self) -> ScoreHistogram:
        """Histogram of all ranks."""
        return gather(self.histogram)

    def aggregate(self) -> Tensor:
        """The figure, a scalar; nan where it is undefined."""
        return torch.tensor(self.figure(self.get_buffer().pooled())[0])
