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
from pipeline.losses.constraints import ActivationEntropy, SizeConstraint, spatial_entropy
from pipeline.losses.objective import Objective
from pipeline.losses.penalties import Linear, LogBarrier, Quadratic
from pipeline.losses.reconstruction import kl_of_each, kl_to_standard_normal, negative_elbo, summed_bce

__all__ = [
    "ActivationEntropy",
    "FoolCritic",
    "IziLoss",
    "LatentConsistency",
    "Linear",
    "LogBarrier",
    "Objective",
    "Quadratic",
    "SizeConstraint",
    "StandardGAN",
    "WassersteinGP",
    "WeightedSum",
    "image_pair",
    "kl_of_each",
    "kl_to_standard_normal",
    "latent_pair",
    "negative_elbo",
    "spatial_entropy",
    "summed_bce",
]
