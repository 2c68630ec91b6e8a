"""One pass for methods without gradients: every slice once, and where it goes on after a stop."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ignite import distributed as idist
from monai.data import DataLoader

from pipeline.data import normal_slices, training_loader
from pipeline.engines import Fit, PrepareSlices
from pipeline.errors import PipelineError
from pipeline.handlers import ResumableCheckpoint
from pipeline.networks import Estimator, load_weights


class Rows(Estimator):
    """Remembers which rows it saw, with a random number for each; their mean once it is finished."""

    rows: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("rows", torch.empty(0, 2))
        self.register_buffer("mean", torch.empty(()))

    def partial_fit(self, image: torch.Tensor, batch) -> None:
        assert not torch.is_grad_enabled() and not self.training
        seen = torch.stack([batch["row"].float(), torch.rand(len(image))], dim=1)
        self.rows = torch.cat([self.rows, seen])

    def finish(self) -> None:
        self.mean = self.rows.mean()


def fit(loader: DataLoader, folder: Path) -> tuple[Fit, Rows]:
    network = Rows().train()
    checkpoint = ResumableCheckpoint(
        str(folder / "checkpoints"), {"network": network}, network, str(folder / "model.pt"), seed=3, batches=2
    )
    return Fit(torch.device("cpu"), network, loader, PrepareSlices(), [checkpoint]), network


@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5])
def test_every_slice_is_seen_once_wherever_it_was_stopped(stop: int, tiny_dataset: Path, tmp_path: Path) -> None:
    loader = training_loader(normal_slices(tiny_dataset), batch_size=5, seed=1)
    fit(loader, tmp_path / "whole")[0].run()
    whole = load_weights(Rows(), tmp_path / "whole" / "model.pt").rows
    assert sorted(whole[:, 0].tolist()) == list(range(24)) != whole[:, 0].tolist(), "each once, in a random order"

    broken, network = fit(loader, tmp_path / "broken")
    partial_fit, seen = network.partial_fit, []

    def stopped(image, batch) -> None:
        seen.append(batch)
        if len(seen) == stop:
            raise KeyboardInterrupt
        partial_fit(image, batch)

    network.partial_fit = stopped
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    again, network = fit(loader, tmp_path / "broken")
    again.run()
    assert again.state.iteration == 5 and torch.equal(network.rows, whole)
    files = [tmp_path / name / "model.pt" for name in ("whole", "broken")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_it_is_refused_in_several_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(idist, "get_world_size", lambda: 2)
    with pytest.raises(PipelineError, match="without gradients is fitted in one process: leave the preset multi_gpu"):
        fit(DataLoader([], batch_size=1), tmp_path)


def test_weights_decide_the_shape_of_buffers_and_nothing_else(tmp_path: Path) -> None:
    torch.save({"rows": torch.ones(7, 2), "mean": torch.tensor(1.0)}, tmp_path / "model.pt")
    assert torch.equal(load_weights(Rows(), tmp_path / "model.pt").rows, torch.ones(7, 2))
    torch.save({"rows": torch.ones(7, 2)}, tmp_path / "model.pt")
    with pytest.raises(PipelineError, match="does not fit this network"):
        load_weights(Rows(), tmp_path / "model.pt")
