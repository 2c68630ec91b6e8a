"""Networks and their weights."""

from pipeline.networks.autoencoder import AutoencoderOutput, ResNetAutoencoder
from pipeline.networks.batch_norm import twice_differentiable
from pipeline.networks.degree_unet import DegreeUNet
from pipeline.networks.estimator import Estimator
from pipeline.networks.feature_maps import ScriptedFeatures, TappedFeatures
from pipeline.networks.features import VGGFeatures, load_features
from pipeline.networks.fused_scores import FusedScores
from pipeline.networks.gan import FAnoGAN, ImageCritic, LatentCritic
from pipeline.networks.gmvae import MixtureOutput, SpatialGMVAE
from pipeline.networks.lesion_unet import LesionUNet
from pipeline.networks.normative import NormativeAtlas
from pipeline.networks.patch_memory import PatchMemory
from pipeline.networks.principal_components import PrincipalComponents
from pipeline.networks.spa import SpatialOutput, SpatialVAE, sample_with_snr
from pipeline.networks.weights import load_weights, save_weights

__all__ = [
    "AutoencoderOutput",
    "DegreeUNet",
    "Estimator",
    "FAnoGAN",
    "FusedScores",
    "ImageCritic",
    "LatentCritic",
    "LesionUNet",
    "MixtureOutput",
    "NormativeAtlas",
    "PatchMemory",
    "PrincipalComponents",
    "ResNetAutoencoder",
    "ScriptedFeatures",
    "SpatialGMVAE",
    "SpatialOutput",
    "SpatialVAE",
    "TappedFeatures",
    "VGGFeatures",
    "load_features",
    "load_weights",
    "sample_with_snr",
    "save_weights",
    "twice_differentiable",
]
