"""A MONAI evaluator over the scans of one split."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from ignite import distributed as idist
from monai.engines import IterationEvents, SupervisedEvaluator
from torch import nn

from pipeline.contracts import MapInferer, PlacedInferer
from pipeline.data import SliceDataset, scan_loader
from pipeline.engines.prepare import PrepareScan
from pipeline.engines.show_progress import show_progress
from pipeline.inferers import Scorer


def split_evaluator(
    dataset_dir: str,
    split: str,
    erosion_mm: float,
    network: nn.Module,
    inferer: Scorer | MapInferer | PlacedInferer,
    device: torch.device,
    handlers: Sequence[Any] = (),
    erosion_px: int | None = None,
    subjects: Collection[str] | None = None,
) -> SupervisedEvaluator:
    """Evaluator whose iterations are scans: `state.batch` holds all slices of one, `state.output["pred"]` its map.

    What else the inferer found is in `state.output` too: `reconstruction` and `objective`, see Scored.

    Args:
        dataset_dir, split, erosion_mm, erosion_px: see SliceDataset.
        network: in evaluation mode; ignored by inferers that need none.
        inferer: `(slices [N, 1, H, W], network) -> Scored`.
        handlers: objects with `attach(engine)`.
        subjects: the scans of these alone; None: all of the split.
    """
    dataset = SliceDataset(dataset_dir, split, erosion_mm, erosion_px)
    evaluator = SupervisedEvaluator(
        device=device,
        val_data_loader=scan_loader(dataset, subjects=subjects),
        network=network,
        inferer=inferer if isinstance(inferer, Scorer) else Scorer(inferer),
        prepare_batch=PrepareScan(),
        decollate=False,
        val_handlers=list(handlers),
    )
    evaluator.add_event_handler(IterationEvents.FORWARD_COMPLETED, unpack_scored)
    if idist.get_rank() == 0:
        show_progress(evaluator, split, "scan")
    return evaluator


def unpack_scored(engine: SupervisedEvaluator) -> None:
    """Spread what the inferer returned over `state.output`: MONAI's handlers expect a tensor as `pred`."""
    output: Any = engine.state.output
    scored = output["pred"]
    output |= {"pred": scored.map, "reconstruction": scored.reconstruction, "objective": scored.objective}
