"""(network output, batch) -> scalar."""

from pipeline.losses.adversarial import (
    FoolCritic,
    IziLoss,
    LatentConsistency,
    StandardGAN,
    WassersteinGP,
    WeightedSum,
    image_pair,
    latent_pair,
)
from pipeline.losses.batch_loss import BatchLoss, drawn_image, training_loss
from pipeline.losses.brain_error import BrainSquaredError
from pipeline.losses.constraints import ActivationEntropy, SizeConstraint, spatial_entropy
from pipeline.losses.image import ImageEnergy, ImageObjective, mean_total_variation, perceptual_distance
from pipeline.losses.mixture import MixtureKL
from pipeline.losses.objective import Objective
from pipeline.losses.penalties import Linear, LogBarrier, Quadratic
from pipeline.losses.reconstruction import kl_of_each, negative_elbo, summed_bce
from pipeline.losses.shape_prior import KLToShapePrior, KLToStandardNormal, gaussian_kl
from pipeline.losses.supervised import BrainCrossEntropy, LabelLoss

__all__ = [
    "ActivationEntropy",
    "BatchLoss",
    "BrainCrossEntropy",
    "BrainSquaredError",
    "FoolCritic",
    "ImageEnergy",
    "ImageObjective",
    "IziLoss",
    "KLToShapePrior",
    "KLToStandardNormal",
    "LabelLoss",
    "LatentConsistency",
    "Linear",
    "LogBarrier",
    "MixtureKL",
    "Objective",
    "Quadratic",
    "SizeConstraint",
    "StandardGAN",
    "WassersteinGP",
    "WeightedSum",
    "drawn_image",
    "gaussian_kl",
    "image_pair",
    "kl_of_each",
    "latent_pair",
    "mean_total_variation",
    "negative_elbo",
    "perceptual_distance",
    "spatial_entropy",
    "summed_bce",
    "training_loss",
]
