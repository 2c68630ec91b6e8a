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
    assert workflow.parser.get_parsed_content("schedule").warmup_epochs == warmup


def test_the_reference_differs_from_the_paper_by_its_named_options(tiny_dataset: Path) -> None:
    found = {}
    for mixins in ("", "reference"):
        for method in ("amcons", "gradcamcons_log_barrier", "vae", "ae"):
            workflow = MethodWorkflow(method=method, mixins=mixins, dataset_dir=str(tiny_dataset))
            workflow.initialize()
            get = workflow.parser.get_parsed_content
            loss = get("loss")
            found[method, mixins] = (loss.pixels, loss.kl_images, getattr(get("inferer"), "sample", None)) + tuple(
                getattr(loss.constraint, name, None) for name in ("region", "slack", "weighting")
            )
    paper, code = ("sum", "mean"), "reference"
    assert found["amcons", ""] == (*paper, None, "brain", None, None)
    assert found["amcons", code] == (*paper, None, "batch_mask", None, None)
    assert found["gradcamcons_log_barrier", ""] == (*paper, None, "frame", 0.0, "gradients")
    assert found["gradcamcons_log_barrier", code] == (*paper, None, "frame", 0.01, "none")
    assert found["vae", ""] == found["ae", ""] == (*paper, False, None, None, None)
    assert found["vae", code] == ("sum", "sum", True, None, None, None)
    assert found["ae", code] == ("mean", "mean", True, None, None, None)


@pytest.mark.parametrize("mixin, rate, latent", [("brats2019", 1e-4, 32), ("physionet_ich", 1e-5, 128)])
def test_settings_of_the_papers_data_sets(mixin: str, rate: float, latent: int, tiny_dataset: Path) -> None:
    for method in ("amcons", "vae"):
        workflow = MethodWorkflow(method=method, mixins=mixin, dataset_dir=str(tiny_dataset))
        workflow.initialize()
        get = workflow.parser.get_parsed_content
        assert get("optimizer").param_groups[0]["lr"] == rate
        assert get("network").to_mu.out_features == latent
        assert get("train::trainer").state.max_epochs == 300
