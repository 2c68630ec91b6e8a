"""Attention maps of an encoder: pure, differentiable functions of its features, used by losses and inferers.

They take features and latent means of one forward pass and leave no hooks behind.

* DistributedDataParallel hands the network's output on as it is, so maps are correct on every rank, in the loss too.
  With `static_graph=True` or `find_unused_parameters=True` it hands on copies that no gradient links.
* `torch.compile`: activation maps train. A compiled network's outputs are not linked to each other either, and it has
  no second backward pass, so methods with Grad-CAM in the loss train uncompiled.

Grad-CAM refuses outputs that are not linked.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.functional import instance_norm, interpolate

from pipeline.errors import PipelineError

STAGES = (1, 2, 3, 4)
WEIGHTINGS = ("gradients", "none")
ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {"sigmoid": torch.sigmoid, "none": lambda a: a}
CHANNEL_NORMALISATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "none": lambda features: features,
    "instance": instance_norm,
}


def enlarge(attention: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """`attention` [N, 1, h, w] at the image's (H, W); bilinear, align_corners=True.

    On CUDA the gradient of `interpolate` is added up in an order that changes from run to run, so a training that goes
    on after a kill would not repeat its bytes; there, gradients go through `enlarge_by_products`.
    """
    if attention.is_cuda and attention.requires_grad:
        return enlarge_by_products(attention, size)
    return interpolate(attention, size=size, mode="bilinear", align_corners=True)


def enlarge_by_products(attention: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """`enlarge` up to rounding, as `W_H a W_Wᵀ` with the matrices of the linear interpolation along each axis."""
    down, across = (_hats(*pair, attention) for pair in zip(size, attention.shape[-2:], strict=True))
    return down @ attention @ across.T


def _hats(outputs: int, inputs: int, like: torch.Tensor) -> torch.Tensor:
    """[outputs, inputs]: `max(0, 1 − |p_i − j|)` of the places p from the first to the last input."""
    places = torch.linspace(0, inputs - 1, outputs, dtype=like.dtype, device=like.device)
    inputs_at = torch.arange(inputs, dtype=like.dtype, device=like.device)
    return (1 - (places[:, None] - inputs_at).abs()).clamp_min(0)


def activation_map(
    features: torch.Tensor, size: tuple[int, ...], activation: str = "none", normalisation: str = "none"
) -> torch.Tensor:
    """Mean over the channels, enlarged to the image (Silva-Rodríguez 2022, Eq. 6): `a = mean_k f_k`.

    Args:
        features: [N, K, h, w], output of one residual stage.
        size: (H, W) of the image; bilinear, align_corners=True.
        activation: `none`, or `sigmoid` before it is enlarged.
        normalisation: `none` (the paper), where strong channels decide; or `instance`, `(f_k − mean f_k) / sd f_k` over
            the positions of each image before the mean: every channel that varies has the same say, and what is left
            is relative to the image's own slice.

    Returns:
        [N, 1, H, W], float32 or finer.
    """
    mean = CHANNEL_NORMALISATIONS[normalisation](at_least_float32(features)).mean(dim=1, keepdim=True)
    return enlarge(ACTIVATIONS[activation](mean), size)


def grad_cam(
    features: torch.Tensor,
    mu: torch.Tensor,
    size: tuple[int, ...],
    weighting: str = "gradients",
    activation: str = "sigmoid",
    create_graph: bool = False,
) -> torch.Tensor:
    """Grad-CAM of the latent means, enlarged to the image (Silva-Rodríguez 2022, Eq. 2).

    `a = sigmoid(Σ_k α_k f_k)`, `α_k = mean over positions of ∂(Σ_d mu_d)/∂f_k`. One backward pass for all images: of a
    network in evaluation mode, no image sees another.

    Args:
        features: [N, K, h, w], output of one residual stage. mu: [N, d], computed from them.
        size: (H, W) of the image; bilinear, align_corners=True.
        weighting: `gradients`, or `none`: the published code's `α_k = 1 / K`, whatever the gradients are.
        activation: `sigmoid` or `none`.
        create_graph: the map may be differentiated, α included (second order).

    Returns:
        [N, 1, H, W], float32 or finer.

    Raises:
        PipelineError: `mu` does not depend on `features`.
    """
    if weighting == "none":
        return activation_map(features, size, activation)
    weights = channel_weights(features, mu.sum(), create_graph)
    return enlarge(ACTIVATIONS[activation](_weighted(features, weights)), size)


def latent_grad_cam(features: torch.Tensor, mu: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """Grad-CAM of each latent dimension, ReLU, mean over the dimensions (Liu et al. 2020, Grad-CAM_D VAE).

    `a = mean_d relu(Σ_k α_dk f_k)`, `α_dk = mean over positions of ∂mu_d/∂f_k`: d backward passes.

    Args:
        features: [N, K, h, w], output of one residual stage. mu: [N, d], computed from them. size: (H, W) of the image.
    """
    weights = [channel_weights(features, latent.sum(), retain_graph=True) for latent in mu.unbind(dim=1)]
    maps = torch.stack([torch.relu(_weighted(features, alpha)) for alpha in weights])
    return enlarge(maps.mean(dim=0), size)


def channel_weights(
    features: torch.Tensor, target: torch.Tensor, create_graph: bool = False, retain_graph: bool | None = None
) -> torch.Tensor:
    """`α_k`, mean over positions of `∂target/∂f_k`, [N, K], for features [N, K, h, w] and a scalar target."""
    gradient = torch.autograd.grad(
        target, features, create_graph=create_graph, retain_graph=retain_graph, allow_unused=True
    )[0]
    if gradient is None:
        raise PipelineError(
            "Grad-CAM needs features that the latent means are computed from: no torch.compile, and "
            "DistributedDataParallel with static_graph=False and find_unused_parameters=False"
        )
    return at_least_float32(gradient).mean(dim=(2, 3))


def min_max(attention: torch.Tensor) -> torch.Tensor:
    """`(a − min a) / (max a − min a)`, image by image, for maps [N, 1, H, W]; a flat map is 0."""
    low, high = attention.amin(dim=(1, 2, 3), keepdim=True), attention.amax(dim=(1, 2, 3), keepdim=True)
    return (attention - low) / (high - low).clamp_min(torch.finfo(attention.dtype).tiny)


def at_least_float32(x: torch.Tensor) -> torch.Tensor:
    """`x` in float32, or in float64 if it was: half precision is too coarse for sums over an image."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _weighted(features: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return torch.einsum("nk,nkhw->nhw", weights, at_least_float32(features))[:, None]
