from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing
from torch.utils.data import DistributedSampler

from pipeline.errors import PipelineError
from pipeline.metrics import ScoreHistogram, gather

SCANS = 5
WORLD = 2


def scan(index: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(index)
    scores = torch.rand((3, 1, 8, 8), generator=generator)
    return scores, scores * torch.rand(scores.shape, generator=generator) > 0.5


def count(histogram: ScoreHistogram, index: int, rows: slice = slice(None)) -> None:
    scores, lesion = (part[rows] for part in scan(index))
    histogram.update(scores, lesion, None, [f"sub-{index}"] * len(scores))


def evaluate(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=WORLD)
    histogram = ScoreHistogram()
    for index in DistributedSampler(range(SCANS), WORLD, rank, shuffle=False):
        count(histogram, index)
    digest = gather(gather(histogram)).digest()
    count(histogram, SCANS, slice(rank, rank + 1))
    try:
        gather(histogram)
    except PipelineError as error:
        Path(folder, f"{rank}.txt").write_text(f"{digest} {error}")
    distributed.destroy_process_group()


@pytest.mark.dist
def test_ranks_count_every_scan_of_a_padded_sampler_once_and_refuse_a_split_one(tmp_path: Path) -> None:
    padded = [index for rank in range(WORLD) for index in DistributedSampler(range(SCANS), WORLD, rank, shuffle=False)]
    assert len(padded) > SCANS
    alone = ScoreHistogram()
    for index in range(SCANS):
        count(alone, index)
    multiprocessing.spawn(evaluate, (str(tmp_path),), nprocs=WORLD)
    for rank in range(WORLD):
        digest, error = (tmp_path / f"{rank}.txt").read_text().split(" ", 1)
        assert digest == alone.digest()
        assert "scan 'sub-5' comes twice with different pixels" in error


def test_alone_nothing_is_gathered() -> None:
    histogram = ScoreHistogram()
    assert gather(histogram) is histogram
