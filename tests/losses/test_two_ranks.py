"""Two ranks with half of the batch each have the gradients of one process with the whole batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from pipeline.errors import PipelineError
from pipeline.losses import ActivationEntropy, LogBarrier, Objective, SizeConstraint
from pipeline.networks import ResNetAutoencoder

WORLD, SIZE = 2, 32
OBJECTIVES = {
    "entropy": lambda: Objective(10.0, ActivationEntropy(), 0.1),
    "Grad-CAM": lambda: Objective(1.0, SizeConstraint(LogBarrier(10.0)), 1000.0, kl_images="sum"),
}


def network() -> ResNetAutoencoder:
    """In evaluation mode: batch statistics would depend on how images are shared out."""
    torch.manual_seed(0)
    return ResNetAutoencoder(SIZE, 4).eval()


def batch(rows: slice = slice(None)) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    image = torch.rand(4, 1, SIZE, SIZE)
    return {"image": image[rows], "brain": image[rows] > 0.2}


def gradients(model: nn.Module, objective: Objective, given: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    model.zero_grad()
    objective(model(given["image"]), given).backward()
    return [parameter.grad.clone() for parameter in model.parameters()]


def train(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=WORLD)
    half = batch(slice(2 * rank, 2 * rank + 2))
    found = {}
    for name, make in OBJECTIVES.items():
        found[name] = gradients(DistributedDataParallel(network()), make(), half)
    static = DistributedDataParallel(network(), static_graph=True)
    with pytest.raises(PipelineError, match="static_graph=False"):
        gradients(static, OBJECTIVES["Grad-CAM"](), half)
    torch.save(found, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.dist
def test_two_ranks_have_the_gradients_of_one(tmp_path: Path) -> None:
    multiprocessing.spawn(train, (str(tmp_path),), nprocs=WORLD)
    for name, make in OBJECTIVES.items():
        alone = gradients(network(), make(), batch())
        for rank in range(WORLD):
            found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)[name]
            errors = [((a - b).norm() / b.norm().clamp_min(1e-12)) for a, b in zip(found, alone, strict=True)]
            assert max(errors) < 1e-5, name
