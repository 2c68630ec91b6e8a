"""What MONAI lacks: corruptions of training images, and post-processing of anomaly maps."""

from pipeline.transforms.corruption import MaskedSquares, PaintedRectangles
from pipeline.transforms.noise import CoarseNoise, OctaveNoise
from pipeline.transforms.postprocessing import AreaOpening, HyperintensityPrior, Median, PositivePart

__all__ = [
    "AreaOpening",
    "CoarseNoise",
    "HyperintensityPrior",
    "MaskedSquares",
    "Median",
    "OctaveNoise",
    "PaintedRectangles",
    "PositivePart",
]
