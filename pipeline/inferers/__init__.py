"""(slices of one volume, network) -> anomaly map."""

from pipeline.inferers.attention import ActivationMap, GradCAM, LatentGradCAM
from pipeline.inferers.diffusion import NoiseAndDenoise
from pipeline.inferers.generator import EncodeToFixedGenerator, Generate
from pipeline.inferers.intensity import HistogramRank, Intensity
from pipeline.inferers.mahalanobis import Mahalanobis
from pipeline.inferers.monte_carlo import MonteCarlo
from pipeline.inferers.normative import ProjectionResidual, StandardScore
from pipeline.inferers.one_step import OneStepResidual
from pipeline.inferers.precision import Forward
from pipeline.inferers.probability import MirroredProbability, NetworkMap, Probability
from pipeline.inferers.residual import FeatureResidual, GradientWeightedResidual, Residual
from pipeline.inferers.restoration import Restoration
from pipeline.inferers.scorer import Scorer

__all__ = [
    "ActivationMap",
    "EncodeToFixedGenerator",
    "FeatureResidual",
    "Forward",
    "Generate",
    "GradCAM",
    "GradientWeightedResidual",
    "HistogramRank",
    "Intensity",
    "LatentGradCAM",
    "Mahalanobis",
    "MirroredProbability",
    "MonteCarlo",
    "NetworkMap",
    "NoiseAndDenoise",
    "OneStepResidual",
    "Probability",
    "ProjectionResidual",
    "Residual",
    "Restoration",
    "Scorer",
    "StandardScore",
]
