"""(slices of one volume, network) -> anomaly map."""

from pipeline.inferers.attention import ActivationMap
from pipeline.inferers.intensity import HistogramRank, Intensity
from pipeline.inferers.precision import Forward
from pipeline.inferers.residual import Residual

__all__ = ["ActivationMap", "Forward", "HistogramRank", "Intensity", "Residual"]
