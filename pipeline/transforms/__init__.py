"""What MONAI lacks: corruptions of training images, and post-processing of anomaly maps."""

from pipeline.transforms.corruption import MaskedSquares, PaintedRectangles
from pipeline.transforms.postprocessing import AreaOpening, HyperintensityPrior, Median, PositivePart

__all__ = ["AreaOpening", "HyperintensityPrior", "MaskedSquares", "Median", "PaintedRectangles", "PositivePart"]
