from __future__ import annotations

import pytest
import torch
from monai.data import DataLoader
from monai.engines import SupervisedEvaluator
from monai.handlers import IgniteMetricHandler
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import nn

from pipeline.engines.prepare import PrepareSlices
from pipeline.errors import PipelineError
from pipeline.handlers import ScoreHistogramHandler
from pipeline.metrics import ScoreHistogram
from pipeline.metrics.score_histogram_metric import ScoreHistogramMetric

Slice = dict[str, object]


def slices(n: int = 10) -> list[Slice]:
    generator = torch.Generator().manual_seed(0)
    image = torch.randn((n, 1, 8, 8), generator=generator)
    lesion = image + torch.randn(image.shape, generator=generator) > 1.5
    support = torch.rand(image.shape, generator=generator) < 0.8
    return [{"image": image[i], "lesion": lesion[i], "support": support[i], "scan": f"sub-{i // 4}"} for i in range(n)]


def evaluate(*handlers: object, epochs: int = 1) -> SupervisedEvaluator:
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(slices(), batch_size=3),
        network=nn.Identity(),
        prepare_batch=PrepareSlices(),
        decollate=False,
        val_handlers=list(handlers),
    )
    for _ in range(epochs):
        evaluator.run()
    return evaluator


def pixels() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    image, lesion, support = (torch.stack([item[key] for item in slices()]) for key in ("image", "lesion", "support"))
    return image, lesion, support


@pytest.mark.parametrize("epochs", [1, 2])
def test_an_evaluator_fills_the_histogram_afresh_each_epoch(epochs: int) -> None:
    histogram, expected = ScoreHistogram(), ScoreHistogram()
    evaluate(ScoreHistogramHandler(histogram, voxel_ml=0.5), epochs=epochs)
    expected.update(*pixels(), [item["scan"] for item in slices()], voxel_ml=0.5)
    assert histogram.scans == ["sub-0", "sub-1", "sub-2"]
    assert histogram.digest() == expected.digest()


def test_another_output_is_read_by_its_transform() -> None:
    histogram = ScoreHistogram()

    def transform(output: dict) -> tuple:
        return -output["pred"], None, None, output["label"]["scan"]

    evaluate(ScoreHistogramHandler(histogram, transform))
    assert histogram.pooled().n_negative == 10 * 64


def test_monai_metric_in_an_evaluator_equals_scikit_learn() -> None:
    def pair(output: dict) -> tuple:
        return output["pred"], output["label"]["lesion"]

    handlers = {}
    for figure in ("auprc", "auroc"):
        handlers[figure] = IgniteMetricHandler(ScoreHistogramMetric(figure), output_transform=pair, save_details=False)
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(slices(), batch_size=3),
        network=nn.Identity(),
        prepare_batch=PrepareSlices(),
        decollate=False,
        key_val_metric=handlers,
    )
    evaluator.run()
    image, lesion, _ = pixels()
    for figure, exact in (("auprc", average_precision_score), ("auroc", roc_auc_score)):
        expected = exact(lesion.numpy().ravel(), image.numpy().ravel())
        assert evaluator.state.metrics[figure] == pytest.approx(expected, abs=2e-3)


def test_metric_takes_lists_supports_and_scans_and_can_be_reset() -> None:
    image, lesion, support = pixels()
    metric, expected = ScoreHistogramMetric("dice@oracle", support="brain"), ScoreHistogram()
    names = [item["scan"] for item in slices()]
    metric([*image], [*lesion], [*support], names)
    expected.update(image, lesion, support, names)
    assert metric.get_buffer().digest() == expected.digest()
    assert 0 < metric.aggregate() < 1
    metric.reset()
    assert metric.get_buffer().scans == []


def test_unknown_figure_is_refused() -> None:
    with pytest.raises(PipelineError, match="unknown figure 'ap'; available: auprc, auroc, dice@oracle"):
        ScoreHistogramMetric("ap")
