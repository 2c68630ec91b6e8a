"""Methods whose training differs from the base's: killed and continued, they end with the same numbers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from ignite.engine import Events

from pipeline.workflow import MethodWorkflow

OVERRIDES = {
    "fanogan": {"critic_steps": 2},
    "caae": {"critic_steps": 2},
    "spa": {"perceptual_weight": 0},
    "gradcamcons_log_barrier": {"warmup_epochs": 1, "penalty#growth": 1.1},
    "fusion": {"checkpoint_batches": 1},
}


class Killed(RuntimeError):
    pass


def run(method: str, dataset: Path, runs: Path, kill: tuple[str, int] | None = None, precision: str = "fp32") -> None:
    """Train for two epochs; `kill` = (trainer, epoch) stops it in the middle of that epoch."""
    override = OVERRIDES.get(method, {})
    workflow = MethodWorkflow(
        method=method, dataset_dir=str(dataset), runs_dir=str(runs), max_epochs=2, precision=precision, **override
    )
    workflow.initialize()
    if kill is None:
        workflow.run()
        return

    def stop(engine) -> None:
        if engine.state.epoch == kill[1]:
            raise Killed

    trainer = workflow.parser.get_parsed_content(kill[0])
    trainer.add_event_handler(Events.ITERATION_COMPLETED, stop)
    with pytest.raises(RuntimeError):  # MONAI wraps what an expression raises
        workflow.run()


def run_broken_and_whole(
    method: str, trainer: str, dataset: Path, root: Path, precision: str = "fp32", epoch: int = 2
) -> list[dict[str, torch.Tensor]]:
    """Weights of `root/whole`, trained at one go, and of `root/broken`, killed in an epoch and continued."""
    whole, broken = root / "whole", root / "broken"
    run(method, dataset, whole, precision=precision)
    run(method, dataset, broken, kill=(trainer, epoch), precision=precision)
    assert not list(broken.rglob("model.pt"))
    run(method, dataset, broken, precision=precision)
    return [torch.load(next(runs.rglob("model.pt")), weights_only=True) for runs in (whole, broken)]


@pytest.mark.parametrize(
    "method, trainer",
    [
        ("context_vae", "train::trainer"),
        ("spa", "train::trainer"),
        ("gradcamcons_log_barrier", "train::trainer"),
        ("anovaegan", "train::trainer"),
        ("caae", "train::trainer"),
        ("many_tasks", "train::trainer"),
        ("patch_memory", "train::trainer"),
        ("fanogan", "encoder_stage::trainer"),
    ],
)
def test_killed_and_continued_equals_unbroken(method: str, trainer: str, tiny_dataset: Path, tmp_path: Path) -> None:
    weights = run_broken_and_whole(method, trainer, tiny_dataset, tmp_path)
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    for log in [*(tmp_path / "whole").rglob("training*.csv"), *(tmp_path / "whole").rglob("held_out.csv")]:
        continued = tmp_path / "broken" / log.relative_to(tmp_path / "whole")
        pd.testing.assert_frame_equal(pd.read_csv(log), pd.read_csv(continued))


@pytest.mark.parametrize("method", ["fusion"])
def test_a_fit_that_is_killed_and_continued_leaves_the_same_bytes(
    method: str, tiny_dataset: Path, tmp_path: Path
) -> None:
    run_broken_and_whole(method, "train::trainer", tiny_dataset, tmp_path, epoch=1)
    whole, broken = (next((tmp_path / name).rglob("model.pt")).read_bytes() for name in ("whole", "broken"))
    assert whole == broken


def test_the_second_stage_moves_the_encoder_alone(tiny_dataset: Path, tmp_path: Path) -> None:
    run("fanogan", tiny_dataset, tmp_path)
    folder = tmp_path / "fanogan" / "seed-0"
    generator, model = (torch.load(folder / name, weights_only=True) for name in ("generator.pt", "model.pt"))
    moved = {name.split(".")[0] for name in model if not torch.equal(model[name], generator[name])}
    assert moved == {"stem", "stages", "to_mu"}
    assert list(pd.read_csv(folder / "training.csv")) == ["epoch", "loss", "pixels", "features"]
    assert list(pd.read_csv(folder / "training_generator.csv")) == [
        "epoch", "loss", "generator", "critic", "gradient_penalty",
    ]  # fmt: skip
