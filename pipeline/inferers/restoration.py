"""Anomaly maps by restoration: the nearest image that the model finds normal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import pad

from pipeline.contracts import Scored
from pipeline.inferers.chunks import CHUNK, scored_by_chunks
from pipeline.inferers.residual import PARTS, check_part
from pipeline.losses.reconstruction import negative_elbo
from pipeline.precision import autocast

GROW, SHRINK = 1.5, 0.5
DENOISING_STEPS = 20


def total_variation(difference: torch.Tensor) -> torch.Tensor:
    """`Σ |d_x| + |d_y|` of each image (anisotropic).

    Args:
        difference: [N, 1, H, W].

    Returns:
        [N].

    Example:
        >>> image = torch.zeros(1, 1, 4, 4)
        >>> image[..., 1:3, 1:3] = 0.5  # a square of 2 × 2 with a border of 8 pixels
        >>> total_variation(image).tolist()
        [4.0]
    """
    return sum(difference.diff(dim=axis).abs().flatten(1).sum(dim=1) for axis in (-1, -2))  # type: ignore[return-value]


def denoise(noisy: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Near `argmin_d ½ ‖d − noisy‖² + weight TV(d)`, by projected gradient steps on the dual.

    Args:
        noisy: [N, 1, H, W].
        weight: [N, 1, 1, 1], ≥ 0.

    Source: Chambolle 2005.

    Example:
        >>> noisy = torch.tensor([[[[0.0, 0.2, 0.1], [0.1, 0.0, 0.2]]]])
        >>> clean = denoise(noisy, torch.full((1, 1, 1, 1), 0.5))
        >>> bool(total_variation(clean) < 0.1 * total_variation(noisy)), round(float(clean.mean()), 3)
        (True, 0.1)
    """
    across, down = torch.zeros_like(noisy.diff(dim=-1)), torch.zeros_like(noisy.diff(dim=-2))
    rate = 1 / (8 * weight.clamp_min(1e-12))

    def primal() -> torch.Tensor:
        return noisy + weight * (pad(across, (1, 1)).diff(dim=-1) + pad(down, (0, 0, 1, 1)).diff(dim=-2))

    for _ in range(DENOISING_STEPS):
        clean = primal()
        across = (across + rate * clean.diff(dim=-1)).clamp(-1, 1)
        down = (down + rate * clean.diff(dim=-2)).clamp(-1, 1)
    return primal()


def bernoulli_entropy(image: torch.Tensor) -> torch.Tensor:
    """`−Σ x log x + (1 − x) log(1 − x)` of each image: what the cross entropy with itself costs.

    Args:
        image: [N, 1, H, W] in [0, 1].

    Returns:
        [N].

    Example:
        >>> certain, unsure = bernoulli_entropy(torch.tensor([[[[0.0, 1.0]]], [[[0.5, 0.5]]]]))
        >>> float(certain) == 0, round(float(unsure), 4)  # 2 log 2
        (True, 1.3863)
    """
    return -(torch.special.xlogy(image, image) + torch.special.xlog1py(1 - image, -image)).flatten(1).sum(dim=1)


class Restored(NamedTuple):
    """What a restoration found.

    Args:
        image: [N, 1, H, W] in [0, 1], the restored images.
        objective: [steps + 1, N], J before the first and after every step.

    Example:
        >>> Restored(torch.zeros(2, 1, 8, 8), objective=torch.tensor([[9.0, 8.0], [7.0, 8.0]])).objective[-1].tolist()
        [7.0, 8.0]
    """

    image: torch.Tensor
    objective: torch.Tensor


@dataclass(frozen=True)
class Restoration:
    """`|x − x̃|`, where x̃ is the restored image; all slices of a chunk go side by side.

    x̃ descends `J(x̃) = L_R(x̃) + KL(x̃) + λ_TV TV(x − x̃)` from x by proximal gradient steps, clipped to [0, 1]: a
    gradient step on the first two terms, then `denoise` on the difference, as TV has no gradient where it matters.
    Each image has its own step: a trial that does not lower J of an image is discarded and its step halved, else its
    step grows by half. So J never rises, whatever the step to start with, and one step costs one forward and backward
    pass.

    Args:
        steps: trials.
        step: to start with.
        tv_weight: λ_TV ≥ 0; high values keep the restored image near the image.
        relative: subtract the entropy of x̃ from L_R. The cross entropy is linear in its target, so without this the
            descent drives a pixel to 0 or 1 rather than to its reconstruction.
        chunk: slices at work at a time; None takes all at once.
        precision: of the network, see Forward.
        energy: `(output, image) -> [N]` in place of `L_R + KL`, for networks with another one.
        part: of `x − x̃`, see Residual.

    Raises:
        PipelineError: another part.

    Source: You et al. 2019; Chen et al. 2020.

    Example:
        >>> from pipeline.networks import ResNetAutoencoder
        >>> network = ResNetAutoencoder(image_size=16, latent_size=4, variational=True).eval()
        >>> restored = Restoration(steps=5).restore(torch.rand(2, 1, 16, 16), network)
        >>> bool((restored.objective.diff(dim=0) <= 0).all())  # J never rises
        True
    """

    steps: int = 100
    step: float = 0.01
    tv_weight: float = 1.0
    relative: bool = False
    chunk: int | None = CHUNK
    precision: str = "fp32"
    energy: Callable[..., torch.Tensor] = negative_elbo
    part: str = "absolute"

    def __post_init__(self) -> None:
        check_part(self.part)

    def __call__(self, inputs: torch.Tensor, network: nn.Module) -> Scored:
        """Map, x̃ and its J of the slices `inputs` [N, 1, H, W] in [0, 1]; the network is in evaluation mode."""
        return scored_by_chunks(lambda image: self._score(image, network), inputs, self.chunk)

    def _score(self, image: torch.Tensor, network: nn.Module) -> Scored:
        restored = self.restore(image, network)
        return Scored(PARTS[self.part](image - restored.image), restored.image, restored.objective[-1])

    def restore(self, image: torch.Tensor, network: nn.Module) -> Restored:
        """Restore images [N, 1, H, W] in [0, 1]."""
        current = image.detach().clone()
        objective, gradient = self._objective(current, image, network)
        step = torch.full_like(objective, self.step)[:, None, None, None]
        trace = [objective]
        for _ in range(self.steps):
            trial = (image + denoise(current - step * gradient - image, step * self.tv_weight)).clamp(0, 1)
            value, slope = self._objective(trial, image, network)
            better = (value < objective)[:, None, None, None]
            current, gradient = torch.where(better, trial, current), torch.where(better, slope, gradient)
            objective = torch.minimum(value, objective)
            step = step * torch.where(better, GROW, SHRINK)
            trace.append(objective)
        return Restored(current, torch.stack(trace))

    def _objective(
        self, restored: torch.Tensor, image: torch.Tensor, network: nn.Module
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """J of each image [N], and the gradient [N, 1, H, W] of J without TV."""
        energy, gradient = self.energy_and_gradient(restored, network)
        if self.relative:
            energy = energy - bernoulli_entropy(restored)
            gradient = gradient + torch.logit(restored, eps=1e-4)
        return energy + self.tv_weight * total_variation(image - restored), gradient

    def energy_and_gradient(self, restored: torch.Tensor, network: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
        """The energy of each image [N], and its gradient [N, 1, H, W]: one backward pass, as no image sees another."""
        with torch.enable_grad():
            leaf = restored.detach().requires_grad_()
            with autocast(self.precision, leaf.device):
                output = network(leaf)
            energy = self.energy(output, leaf)
            return energy.detach(), torch.autograd.grad(energy.sum(), leaf)[0]
