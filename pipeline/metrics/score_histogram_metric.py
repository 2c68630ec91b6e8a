"""The figures of anomaly maps as a MONAI metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from monai.metrics import Cumulative
from torch import Tensor

from pipeline.errors import check_choice
from pipeline.metrics.counts import Counts
from pipeline.metrics.curves import auroc, average_precision, best_dice
from pipeline.metrics.distributed import gather
from pipeline.metrics.histogram import ScoreHistogram

FIGURES: dict[str, Callable[[Counts], float]] = {
    "auprc": lambda counts: average_precision(counts).value,
    "auroc": lambda counts: auroc(counts).value,
    "dice@oracle": lambda counts: best_dice(counts).dice,
}


class ScoreHistogramMetric(Cumulative):
    """MONAI metric over the pixels of all calls, in place of `AveragePrecisionMetric` and `ROCAUCMetric`.

    Calls take tensors [N, 1, ...] or lists of [1, ...]; `aggregate` gives the figure over all ranks, `get_buffer` the
    histogram. Works with `monai.handlers.IgniteMetricHandler(..., save_details=False)`.

    Args:
        figure: `auprc`, `auroc` or `dice@oracle`.
        bits: see ScoreHistogram.
        support: see ScoreHistogram.

    Raises:
        PipelineError: another figure.

    >>> metric = ScoreHistogramMetric("auroc")
    >>> metric(torch.tensor([0.1, 0.7, 0.9])[None, None], torch.tensor([0, 0, 1])[None, None])
    >>> metric.aggregate()
    tensor(1.)
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
        return torch.tensor(self.figure(self.get_buffer().pooled()))
