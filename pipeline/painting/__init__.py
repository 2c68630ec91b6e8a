"""Lesions painted on slices without a lesion, so that a network learns to find what it has never been shown."""

from pipeline.painting.acquisition import Acquisition
from pipeline.painting.degrees import Corrupted, GradualCorruption
from pipeline.painting.lesions import Painted, PaintedLesions
from pipeline.painting.neighbours import Neighbours

__all__ = ["Acquisition", "Corrupted", "GradualCorruption", "Neighbours", "Painted", "PaintedLesions"]
