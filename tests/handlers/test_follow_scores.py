"""Scores over training: the best epoch stays, what is painted is the same each time, real lesions do not count."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from ignite.engine import Engine
from sklearn.metrics import average_precision_score

from pipeline.data import SliceDataset, normal_slices
from pipeline.engines import split_evaluator
from pipeline.handlers import FollowScores, LabelledScanPrecision, PaintedPrecision
from pipeline.inferers import Intensity
from pipeline.leaderboard import run_leaderboard
from pipeline.painting import Neighbours, PaintedLesions


class Given:
    """A criterion whose values are given."""

    split = "calibration"

    def __init__(self, values: list[float]) -> None:
        self.values = iter(values)

    def attach(self, engine: Engine) -> None: ...

    def value(self) -> float:
        return next(self.values)


class Counting(torch.nn.Module):
    """Its weight is the number of the epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1), requires_grad=False)


def train(scores: FollowScores, network: Counting, epochs: int) -> None:
    def step(engine: Engine, batch: object) -> None:
        network.weight.fill_(engine.state.epoch)

    engine = Engine(step)
    scores.attach(engine)
    engine.run([0], max_epochs=epochs)


def evaluator(**_: object) -> Engine:
    engine = Engine(lambda engine, batch: None)
    engine.run = lambda: None  # type: ignore[method-assign, assignment]
    return engine


@pytest.mark.parametrize("keep, stays", [("a", 2.0), ("b", 3.0), (None, 4.0)])
def test_the_weights_of_the_best_epoch_stay(keep: str | None, stays: float, tmp_path: Path) -> None:
    network = Counting()
    criteria = {"a": Given([0.1, 0.5, 0.5, np.nan]), "b": Given([0.1, 0.5, 0.6, 0.2])}
    train(FollowScores(str(tmp_path / "scores.csv"), network, evaluator, criteria, keep), network, 4)
    assert network.weight.item() == stays
    table = pd.read_csv(tmp_path / "scores.csv")
    assert list(table) == ["epoch", "a", "b"] and list(table["b"]) == [0.1, 0.5, 0.6, 0.2]


def evaluate(criterion: PaintedPrecision | LabelledScanPrecision, dataset: Path) -> float:
    split_evaluator(
        str(dataset), criterion.split, 3.2, torch.nn.Identity(), Intensity(), torch.device("cpu"), [criterion]
    ).run()
    return criterion.value()


def painted(dataset: Path, split: str, **options: int) -> PaintedPrecision:
    lesions = PaintedLesions(Neighbours(normal_slices(dataset)), 32, 7.5, shares={"bright": 1})
    return PaintedPrecision(lesions, split, **options)


def test_paintings_are_the_same_each_time_and_others_with_another_seed(tiny_dataset: Path) -> None:
    first, second, other = (painted(tiny_dataset, "calibration", seed=seed) for seed in (0, 0, 1))
    values = [evaluate(criterion, tiny_dataset) for criterion in (first, second, other)]
    assert values[0] == values[1] == evaluate(first, tiny_dataset) != values[2]
    assert 0 < values[0] < 1


def test_slices_with_a_real_lesion_do_not_count(tiny_dataset: Path) -> None:
    criterion = painted(tiny_dataset, "validation")
    evaluate(criterion, tiny_dataset)
    data = SliceDataset(tiny_dataset, "validation")
    free = {
        f"{item['scan']} {item['row']}" for item in (data[row] for row in range(len(data))) if not item["lesion"].any()
    }
    assert set(criterion.histogram.scans) <= free


def test_the_mean_of_scans_is_that_of_scikit_learn(tiny_dataset: Path) -> None:
    data = SliceDataset(tiny_dataset, "validation", 3.2)
    values = []
    for item in data.items:
        rows = [data[row] for row in range(*item["rows"])]
        support = torch.stack([row["support"] for row in rows])
        image, lesion = (torch.stack([row[key] for row in rows])[support] for key in ("image", "lesion"))
        if lesion.any():
            values.append(average_precision_score(lesion, image))
    assert evaluate(LabelledScanPrecision(), tiny_dataset) == pytest.approx(np.mean(values), abs=2e-3)


def test_any_method_is_followed_by_a_preset(tiny_dataset: Path, tmp_path: Path) -> None:
    run_leaderboard(["ae"], tiny_dataset, tmp_path, presets="follow_scores", max_epochs=2, precision="fp32")
    table = pd.read_csv(next(tmp_path.rglob("scores.csv")))
    assert list(table) == ["epoch", "validation", "held_out"] and len(table) == 2
    assert ((table > 0) & (table <= 2)).all(axis=None)


def test_many_tasks_chooses_its_map_without_a_label(tiny_dataset: Path, tmp_path: Path) -> None:
    run_leaderboard(["many_tasks"], tiny_dataset, tmp_path, presets="normals_only", max_epochs=1, precision="fp32")
    choices = json.loads(next(tmp_path.rglob("choices.json")).read_text())
    assert choices["criterion"] == "mean average precision of held-out paintings on calibration"
