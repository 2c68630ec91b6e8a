"""(network output, batch) -> scalar."""

from pipeline.losses.constraints import ActivationEntropy, spatial_entropy
from pipeline.losses.objective import Objective
from pipeline.losses.reconstruction import kl_to_standard_normal, summed_bce

__all__ = ["ActivationEntropy", "Objective", "kl_to_standard_normal", "spatial_entropy", "summed_bce"]
