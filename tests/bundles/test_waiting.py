"""A training step never asks the device for a number: on a GPU, the host would wait for all that goes before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Events
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from pipeline.prior import ShapePrior
from pipeline.workflow import MethodWorkflow

aten = torch.ops.aten
QUESTIONS = (aten._local_scalar_dense.default, aten.nonzero.default, aten.masked_select.default, aten.equal.default)
METHODS = {
    "amcons": {},
    "gradcamcons_log_barrier": {"warmup_epochs": 0},
    "context_vae": {},
    "spa": {"perceptual_weight": 0},
}


class Questions(TorchDispatchMode):
    """Names of the operations that read a number of a tensor, or as many numbers as a mask has."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        indices = args[1] if func.overloadpacket in (aten.index, aten.index_put, aten.index_put_) else ()
        by_mask = any(index is not None and index.dtype == torch.bool for index in indices)
        if func in QUESTIONS or by_mask:
            self.asked.append(str(func))
        return func(*args, **(kwargs or {}))


def unseen(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same on the host, whatever the device: what it asks for costs no waiting."""

    def quiet(*args: Any, **kwargs: Any) -> Any:
        with _disable_current_modes():
            return function(*args, **kwargs)

    return quiet


def trainer_of(method: str, dataset: Path, runs: Path, device: str) -> Any:
    given = {"dataset_dir": str(dataset), "runs_dir": str(runs), "device": f"$torch.device('{device}')"}
    workflow = MethodWorkflow(method=method, **given, **METHODS[method])
    workflow.initialize()
    return workflow.parser.get_parsed_content("train::trainer")


@pytest.mark.parametrize("method", METHODS)
def test_no_step_asks_for_a_number(
    method: str, tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, questions = trainer_of(method, tiny_dataset, tmp_path, "cpu"), Questions()
    trainer.prepare_batch = unseen(trainer.prepare_batch)  # corruptions work on the host
    monkeypatch.setattr(ShapePrior, "rows_of", unseen(ShapePrior.rows_of))  # checks places that lie on the host alone
    trainer.add_event_handler(Events.ITERATION_STARTED, lambda _: questions.__enter__())
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda _: questions.__exit__(None, None, None))
    trainer.add_event_handler(Events.ITERATION_COMPLETED(once=2), lambda engine: engine.terminate())
    trainer.run()
    assert trainer.state.iteration == 2 and not questions.asked


def test_questions_are_heard() -> None:
    mask = torch.tensor([True, False])
    with Questions() as questions:
        float(torch.ones(())), torch.ones(2)[mask], mask.nonzero(), bool(mask.any())
    assert len(questions.asked) == 4


@pytest.mark.gpu
@pytest.mark.parametrize("method", METHODS)
def test_no_step_on_cuda_waits(method: str, tiny_dataset: Path, tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    trainer = trainer_of(method, tiny_dataset, tmp_path, "cuda")
    # the first step loads kernels, and moves what is moved once
    trainer.add_event_handler(Events.ITERATION_COMPLETED(once=1), lambda _: torch.cuda.set_sync_debug_mode("error"))
    trainer.add_event_handler(Events.ITERATION_COMPLETED(once=3), lambda _: torch.cuda.set_sync_debug_mode("default"))
    try:
        trainer.run()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert trainer.state.iteration >= 3
