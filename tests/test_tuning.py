"""Parameters that calibration chooses from candidates."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from pipeline.errors import PipelineError
from pipeline.handlers import HealthyObjective, LabelledPrecision
from pipeline.inferers import HistogramRank, Residual, Scorer
from pipeline.tuning import Tuning
from pipeline.workflow import MethodWorkflow


def run(stage: str, dataset: Path, runs: Path, **override) -> None:
    workflow = MethodWorkflow(
        method="histeq_smooth", stage=stage, dataset_dir=str(dataset), runs_dir=str(runs), **override
    )
    workflow.initialize()
    workflow.run()


def test_the_best_candidate_is_chosen_and_used(tiny_dataset: Path, tmp_path: Path) -> None:
    candidates = {"tuning#candidates": {"sigma_mm": [0.0, 8.0, 200.0]}}
    run("calibrate", tiny_dataset, tmp_path, **candidates)
    choices = json.loads((tmp_path / "histeq_smooth/seed-0/choices.json").read_text())
    values = {row["sigma_mm"]: row["value"] for row in choices["tried"]}
    assert list(values) == [0.0, 8.0, 200.0]
    assert choices["chosen"]["sigma_mm"] == max(values, key=lambda sigma: values[sigma])
    assert choices["criterion"] == "average precision on validation"
    assert values[200.0] < values[0.0]
    run("evaluate", tiny_dataset, tmp_path, **candidates)
    with pytest.raises(PipelineError, match="was chosen from other candidates: run the stage calibrate again"):
        run("evaluate", tiny_dataset, tmp_path, **{"tuning#candidates": {"sigma_mm": [17.0]}})


def test_evaluation_needs_the_choice(tiny_dataset: Path, tmp_path: Path) -> None:
    run("calibrate", tiny_dataset, tmp_path)
    (tmp_path / "histeq_smooth/seed-0/choices.json").unlink()
    with pytest.raises(PipelineError, match="missing choices .*run the stage calibrate first"):
        run("evaluate", tiny_dataset, tmp_path)


def test_unknown_parameter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "choices.json").write_text('{"chosen": {"sigma": 1.0}}')
    with pytest.raises(PipelineError, match="HistogramRank has no parameter 'sigma' to tune; available: .*sigma_mm"):
        Tuning(str(tmp_path / "choices.json"), {"sigma": [1.0]}).tuned(HistogramRank())


class Splits:
    """Evaluates only what it is asked for: `value` is what the criterion of a test says of the inferer."""

    def __init__(self, value) -> None:
        self.value = value

    def __call__(self, split: str, handlers: list, inferer: Scorer) -> SimpleNamespace:
        return SimpleNamespace(run=lambda: handlers[0].judge(self.value(inferer.inferer)))


class Judge:
    split, name, needs_labels = "validation", "a number", False

    def judge(self, value: float) -> None:
        self.found = value

    def value(self) -> float:
        return self.found


def test_a_parameter_that_the_inferer_checks_and_keeps_by_name_can_be_tuned(tmp_path: Path) -> None:
    """The inferer is built anew: what its construction refuses is refused, and its map is that of the choice."""
    path = str(tmp_path / "choices.json")
    scorer = Scorer(Residual(), [lambda anomaly, image: anomaly * 2])
    tuning = Tuning(path, {"part": ["absolute", "positive", "signed"]}, Judge())
    tuning.choose(scorer, Splits(lambda inferer: {"absolute": 0.1, "positive": 0.9, "signed": 0.5}[inferer.part]))
    image, network = torch.rand(2, 1, 4, 4), lambda x: SimpleNamespace(reconstruction=torch.full_like(x, 0.5))
    for chosen in (tuning, Tuning(path, {"part": ["absolute", "positive", "signed"]}, Judge())):
        found = Scorer(scorer.inferer, scorer.postprocessing, chosen).map(image, network)
        assert torch.equal(found, 2 * (image - 0.5).clamp_min(0))
    assert scorer.inferer == Residual(), "the method's own inferer stays as it is"
    with pytest.raises(PipelineError, match="unknown part of the residual 'negative'"):
        Tuning(path, {"part": ["negative"]}, Judge()).choose(scorer, Splits(lambda _: 0.0))


def test_an_inferer_that_minimises_nothing_has_no_objective(tiny_dataset: Path, tmp_path: Path) -> None:
    criterion = {"_target_": "pipeline.handlers.HealthyObjective"}
    with pytest.raises(PipelineError, match="minus the objective on calibration: the inferer minimises nothing"):
        run("calibrate", tiny_dataset, tmp_path, **{"tuning#criterion": criterion})


def test_without_candidates_nothing_happens(tmp_path: Path) -> None:
    inferer = HistogramRank()
    assert Tuning(str(tmp_path / "choices.json")).tuned(inferer) is inferer
    assert not list(tmp_path.iterdir())


def test_without_labels_what_needs_them_is_left_as_it_is_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tuning = Tuning(str(tmp_path / "choices.json"), {"sigma_mm": [1.0]}, LabelledPrecision(), labels=False)
    scorer = Scorer(HistogramRank(sigma_mm=3.0), tuning=tuning)
    with caplog.at_level(logging.WARNING):
        tuning.choose(scorer, lambda **_: pytest.fail("no candidate is tried"))
    assert tuning.tuned(scorer.inferer) == HistogramRank(sigma_mm=3.0) and not list(tmp_path.iterdir())
    assert "average precision on validation needs labelled scans" in caplog.text and "{'sigma_mm': 3.0}" in caplog.text
    assert Tuning("", {"step": [1.0]}, HealthyObjective(), labels=False).candidates == {"step": [1.0]}


def test_postprocessing_is_named_in_the_card(tiny_dataset: Path, tmp_path: Path) -> None:
    import pandas as pd

    steps = [{"_target_": "pipeline.transforms.Median", "size": 3}]
    for stage in ("calibrate", "evaluate"):
        run(stage, tiny_dataset, tmp_path, postprocessing=steps)
    row = pd.read_csv(tmp_path / "histeq_smooth/seed-0/metrics.csv").iloc[0]
    assert row["card_postprocessing"] == "median 1x3x3"
