"""Terms on held-out normals: of every scan once, whatever the ranks and the chunks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from torch import distributed, multiprocessing, nn

from pipeline.handlers import HeldOutTerms
from pipeline.networks import SpatialOutput

WORLD, SCANS = 2, 3


class Shrink(nn.Module):
    """Draws half of the image; keeps how many images it saw at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def forward(self, image: torch.Tensor) -> SpatialOutput:
        self.seen.append(len(image))
        return SpatialOutput(image / 2, image, image)


def scan(index: int) -> dict[str, Any]:
    """Scans of different lengths, so that a mean over slices is not one over scans."""
    torch.manual_seed(index)
    slices = 2 + 3 * index
    return {"image": torch.rand(slices, 1, 4, 4), "z": 10 * index + torch.arange(slices), "scan": [f"sub-{index}"]}


def run(handler: HeldOutTerms, scans: list[int]) -> Shrink:
    engine: Any = Engine(lambda _, batch: {"label": batch})
    engine.network = Shrink()
    handler.attach(engine)
    engine.run([scan(index) for index in scans])
    return engine.network


def terms(**options) -> HeldOutTerms:
    return HeldOutTerms(lambda output, batch: output.mu.flatten(1).sum(dim=1) + batch["z"], **options)


def expected() -> dict[str, float]:
    image, z = (torch.cat([scan(index)[key] for index in range(SCANS)]) for key in ("image", "z"))
    return {"held_out_l1": (image / 2).mean().item(), "held_out_kl": (image.sum((1, 2, 3)) + z).mean().item()}


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_means_over_slices_do_not_depend_on_chunks(chunk: int) -> None:
    handler = terms(chunk=chunk)
    network = run(handler, [0, 1, 2])
    assert handler.figures() == pytest.approx(expected(), rel=1e-5)
    assert max(network.seen) == min(chunk, 8), "no more slices at a time than a chunk"


def test_a_second_run_forgets_the_first() -> None:
    handler = terms()
    run(handler, [2])
    first = handler.figures()
    run(handler, [0, 1, 2])
    assert handler.figures() == pytest.approx(expected(), rel=1e-5) != first


def evaluate(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=WORLD)
    handler = terms()
    run(handler, [[0, 2], [1, 0]][rank])  # the first scan fills up the second rank
    Path(folder, f"{rank}.json").write_text(json.dumps(handler.figures()))
    distributed.destroy_process_group()


@pytest.mark.dist
def test_two_ranks_report_what_one_does(tmp_path: Path) -> None:
    multiprocessing.spawn(evaluate, (str(tmp_path),), nprocs=WORLD)
    for rank in range(WORLD):
        assert json.loads((tmp_path / f"{rank}.json").read_text()) == pytest.approx(expected(), rel=1e-5)
