"""MONAI engines over the slices of a prepared dataset."""

from pipeline.engines.adversarial import AdversarialTrainer
from pipeline.engines.corrupt import PrepareCorruptedSlices
from pipeline.engines.diffusion import PrepareDiffusion
from pipeline.engines.fit import Fit
from pipeline.engines.paint import PreparePaintedSlices
from pipeline.engines.prepare import PrepareScan, PrepareSlices, share_of_batch
from pipeline.engines.split_evaluator import split_evaluator

__all__ = [
    "AdversarialTrainer",
    "Fit",
    "PrepareCorruptedSlices",
    "PrepareDiffusion",
    "PreparePaintedSlices",
    "PrepareScan",
    "PrepareSlices",
    "share_of_batch",
    "split_evaluator",
]
