"""MONAI engines over the slices of a prepared dataset."""

from pipeline.engines.adversarial import AdversarialTrainer
from pipeline.engines.prepare import PrepareSlices
from pipeline.engines.split_evaluator import split_evaluator

__all__ = ["AdversarialTrainer", "PrepareSlices", "split_evaluator"]
