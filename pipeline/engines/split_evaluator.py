"""A MONAI evaluator over the scans of one split."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from ignite import distributed as idist
from ignite.handlers import ProgressBar
from monai.engines import SupervisedEvaluator
from monai.inferers import Inferer
from torch import nn

from pipeline.data import SliceDataset, scan_loader
from pipeline.engines.prepare import PrepareSlices


def split_evaluator(
    dataset_dir: str,
    split: str,
    erosion_mm: float,
    network: nn.Module,
    inferer: Inferer,
    device: torch.device,
    handlers: Sequence[Any] = (),
    erosion_px: int | None = None,
    subjects: Collection[str] | None = None,
) -> SupervisedEvaluator:
    """Evaluator whose iterations are scans: `state.batch` holds all slices of one, `state.output["pred"]` its map.

    Args:
        dataset_dir, split, erosion_mm, erosion_px: see SliceDataset.
        network: in evaluation mode; ignored by inferers that need none.
        inferer: `(slices [N, 1, H, W], network) -> anomaly map [N, 1, H, W]`.
        handlers: objects with `attach(engine)`.
        subjects: the scans of these alone; None: all of the split.
    """
    dataset = SliceDataset(dataset_dir, split, erosion_mm, erosion_px)
    evaluator = SupervisedEvaluator(
        device=device,
        val_data_loader=scan_loader(dataset, subjects=subjects),
        network=network,
        inferer=inferer,
        prepare_batch=PrepareSlices(),
        decollate=False,
        val_handlers=list(handlers),
    )
    if idist.get_rank() == 0:
        ProgressBar(desc=split, persist=True).attach(evaluator)
    return evaluator
