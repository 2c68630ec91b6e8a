from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from ignite.engine import Engine

from pipeline.handlers import ConstraintSchedule
from pipeline.losses import LogBarrier, Objective, SizeConstraint
from pipeline.workflow import MethodWorkflow


def seen(objective: Objective, warmup: int, start: int = 0, epochs: int = 5) -> list[tuple[bool, float]]:
    """(constrained, t) of each epoch, from the one after `start`."""
    found = []
    trainer = Engine(lambda engine, batch: found.append((objective.constrained, objective.constraint.penalty.t)))
    ConstraintSchedule(objective, warmup).attach(trainer)
    trainer.load_state_dict({"epoch": start, "max_epochs": epochs, "epoch_length": 1})
    trainer.run([0])
    return found


def test_two_phases_and_a_growing_t_follow_from_the_epoch() -> None:
    make = lambda: Objective(constraint=SizeConstraint(LogBarrier(10.0, growth=2.0, t_max=30.0)))  # noqa: E731
    whole = seen(make(), warmup=2)
    assert whole == [(False, 10.0), (False, 10.0), (True, 10.0), (True, 20.0), (True, 30.0)]
    for start in range(1, 5):
        assert seen(make(), warmup=2, start=start) == whole[start:]
    assert all(constrained for constrained, _ in seen(make(), warmup=0))


def test_without_a_constraint_nothing_is_computed_or_logged(tiny_dataset: Path, tmp_path: Path) -> None:
    for name, override in {"constrained": {}, "plain": {"constraint": "$None"}}.items():
        workflow = MethodWorkflow(
            method="gradcamcons_log_barrier", dataset_dir=str(tiny_dataset), runs_dir=str(tmp_path / name),
            max_epochs=2, precision="fp32", warmup_epochs=1, **override,
        )  # fmt: skip
        workflow.initialize()
        workflow.run()
    logs = {name: pd.read_csv(next((tmp_path / name).rglob("training.csv"))) for name in ("constrained", "plain")}
    assert logs["constrained"]["constraint"].isna().tolist() == [True, False]
    assert logs["constrained"]["loss"][0] == logs["plain"]["loss"][0], "the first phase is that of the plain VAE"
    total = logs["constrained"].iloc[1]
    assert total["loss"] == pytest.approx(total["reconstruction"] + total["kl"] + 1000 * total["constraint"], rel=1e-4)


@pytest.mark.parametrize("epochs, warmup", [(300, 50), (20, 3), (1, 0)])
def test_a_sixth_of_the_training_is_the_first_phase(epochs: int, warmup: int, tiny_dataset: Path) -> None:
    workflow = MethodWorkflow(method="gradcamcons_l2", dataset_dir=str(tiny_dataset), max_epochs=epochs)
    workflow.initialize()
    assert workflow.parser.get_parsed_content("train::after::constraint_schedule").warmup_epochs == warmup
