"""Adversarial games: what a critic minimises, and what the network that it judges minimises."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn.functional import softplus

from pipeline.contracts import Batch, Drawn, Latent, LatentImage
from pipeline.losses.batch_loss import BatchLoss
from pipeline.networks.gan import ImageCritic

Pair = tuple[torch.Tensor, torch.Tensor]
Pairing = Callable[[LatentImage, Batch], Pair]
Critic = Callable[[torch.Tensor], torch.Tensor]


def image_pair(output: Drawn, batch: Batch) -> Pair:
    """Real = the images of the batch; fake = what the network drew, both [N, 1, H, W] in [0, 1]."""
    return batch["image"], output.reconstruction.float()


def latent_pair(output: Latent, batch: Batch) -> Pair:
    """Real = draws from the prior N(0, I); fake = the encoded images, both [N, d]."""
    fake = output.mu.float()
    return torch.randn_like(fake), fake


class StandardGAN:
    """Goodfellow et al. 2014: cross entropy for the critic `softplus(−D(real)) + softplus(D(fake))`, and the
    non-saturating `softplus(−D(fake))` for the generator; means over the batch."""

    def critic_terms(self, critic: Critic, real: torch.Tensor, fake: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"critic": softplus(-critic(real)).mean() + softplus(critic(fake)).mean()}

    def generator(self, scores: torch.Tensor) -> torch.Tensor:
        return softplus(-scores).mean()


class WassersteinGP:
    """Gulrajani et al. 2017: critic `mean D(fake) − mean D(real) + weight · penalty`, generator `−mean D(fake)`.

    `penalty = mean_n (‖∇D(x_n)‖₂ − 1)²` at random points `x_n` between a real and a fake. `−critic` estimates the
    Wasserstein distance, too high by up to `distance² / (2 weight)`, since the slope is punished and not bounded.

    Args:
        weight: of the penalty, 10 in the paper.
    """

    def __init__(self, weight: float = 10.0) -> None:
        self.weight = weight

    def critic_terms(self, critic: Critic, real: torch.Tensor, fake: torch.Tensor) -> dict[str, torch.Tensor]:
        distance = critic(fake).mean() - critic(real).mean()
        return {"critic": distance, "gradient_penalty": self.weight * gradient_penalty(critic, real, fake)}

    def generator(self, scores: torch.Tensor) -> torch.Tensor:
        return -scores.mean()


def gradient_penalty(critic: Critic, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """`mean_n (‖∇D(x_n)‖₂ − 1)²`, `x_n = u_n real_n + (1 − u_n) fake_n`, `u_n ~ U(0, 1)`; differentiable."""
    share = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device)
    between = (share * real + (1 - share) * fake).detach().requires_grad_()
    gradient = torch.autograd.grad(critic(between).sum(), between, create_graph=True)[0]
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


class FoolCritic(BatchLoss):
    """The generator's side of a game: `game.generator(critic(fake))`; a constraint of Objective, or a loss by itself.

    Args:
        critic: scores [N] of images or latent vectors. game: StandardGAN or WassersteinGP.
        pairing: image_pair or latent_pair: what of the output is the fake.
    """

    def __init__(self, critic: nn.Module, game: StandardGAN | WassersteinGP, pairing: Pairing = image_pair) -> None:
        super().__init__()
        self.critic = critic
        self.game = game
        self.pairing = pairing

    def forward(self, output: LatentImage, batch: Batch) -> torch.Tensor:
        loss = self.game.generator(self.critic(self.pairing(output, batch)[1]))
        self.terms = {"generator": loss.detach()}
        return loss


class LatentConsistency(BatchLoss):
    """`mean_n ‖z_n − E(x̂_n)‖²`: a reconstruction is encoded where it came from (Chen & Konukoglu 2018).

    Args:
        network: the auto-encoder; its running statistics are left as the images make them.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.encode = [network]  # in a list, so that the network is no part of the loss

    def forward(self, output: LatentImage, batch: Batch) -> torch.Tensor:
        network = self.encode[0]
        norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
        before = [norm.momentum for norm in norms]
        try:
            for norm in norms:
                norm.momentum = 0.0
            again = network(output.reconstruction.float()).mu
        finally:
            for norm, momentum in zip(norms, before, strict=True):
                norm.momentum = momentum
        return (output.mu.float() - again.float()).square().sum(dim=1).mean()


class WeightedSum(BatchLoss):
    """`Σ weight · constraint(output, batch)`.

    Args:
        constraints: modules `(output, batch) -> scalar`. weights: one for each.
    """

    def __init__(self, constraints: Sequence[nn.Module], weights: Sequence[float]) -> None:
        super().__init__()
        self.constraints = nn.ModuleList(constraints)
        self.weights = weights

    def forward(self, output: LatentImage, batch: Batch) -> torch.Tensor:
        pairs = zip(self.weights, self.constraints, strict=True)
        return torch.stack([weight * constraint(output, batch) for weight, constraint in pairs]).sum()


class IziLoss(BatchLoss):
    """Loss of f-AnoGAN's encoder, `izi_f` (Schlegl et al. 2019): `mean (x − x̂)² + κ mean (f(x) − f(x̂))²`.

    Args:
        critic: its `features` are f. kappa: κ ≥ 0, 1 in the paper.
    """

    def __init__(self, critic: ImageCritic, kappa: float = 1.0) -> None:
        super().__init__()
        self.critic = critic
        self.kappa = kappa

    def forward(self, output: Drawn, batch: Batch) -> torch.Tensor:
        image, drawn = image_pair(output, batch)
        pixels = (image - drawn).square().mean()
        features = (self.critic.features(image) - self.critic.features(drawn)).square().mean()
        self.terms = {"pixels": pixels.detach(), "features": features.detach()}
        return pixels + self.kappa * features
