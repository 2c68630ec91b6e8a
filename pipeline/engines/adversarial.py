"""Training against a critic."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from ignite import distributed as idist
from monai.engines import SupervisedTrainer
from torch import nn

from pipeline.contracts import Batch
from pipeline.errors import PipelineError
from pipeline.losses.adversarial import Pairing, StandardGAN, WassersteinGP, image_pair
from pipeline.precision import autocast


@contextlib.contextmanager
def without_gradients(module: nn.Module) -> Iterator[None]:
    """Parameters of `module` collect no gradient inside; gradients still pass through it."""
    wanted = [parameter for parameter in module.parameters() if parameter.requires_grad]
    try:
        for parameter in wanted:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)


class AdversarialTrainer(SupervisedTrainer):
    """MONAI's SupervisedTrainer with critic steps before each step of the network.

    No gradient passes between the two: a critic step sees the network's output without its graph, and while the
    network is updated the critic's parameters collect nothing. All critic steps of an iteration see the same real
    images, and new draws where the network or the pairing draws. Means of the critic's terms are in
    `state.output["terms"]` for the training log.

    Args:
        critic: scores [N] of what the pairing returns. critic_optimizer: over its parameters.
        game: StandardGAN or WassersteinGP. pairing: `(output, batch) -> (real, fake)`.
        critic_steps: per iteration, ≥ 1. precision: of the critic's steps, see `pipeline.precision`.
        kwargs: of SupervisedTrainer; its `loss_function` holds the network's side of the game (FoolCritic).

    Raises:
        PipelineError: in one of several processes, where critics would drift apart.
    """

    def __init__(
        self,
        critic: nn.Module,
        critic_optimizer: torch.optim.Optimizer,
        game: StandardGAN | WassersteinGP,
        pairing: Pairing = image_pair,
        critic_steps: int = 1,
        precision: str = "fp32",
        **kwargs: Any,
    ) -> None:
        if idist.get_world_size() > 1:
            raise PipelineError("training against a critic runs in one process: leave the preset multi_gpu out")
        super().__init__(**kwargs)
        self.critic = critic
        self.critic_optimizer = critic_optimizer
        self.game = game
        self.pairing = pairing
        self.critic_steps = critic_steps
        self.precision = precision

    def _iteration(self, engine: SupervisedTrainer, batchdata: dict[str, torch.Tensor]) -> dict:
        prepared = engine.prepare_batch(batchdata, engine.state.device, engine.non_blocking, **engine.to_kwargs)
        inputs, batch, args, kwargs = prepared if len(prepared) == 4 else (*prepared, (), {})
        steps = [self._critic_step(inputs, batch, *args, **kwargs) for _ in range(self.critic_steps)]
        output = self._network_step(engine, batchdata)
        output["terms"] = {name: torch.stack([step[name] for step in steps]).mean() for name in steps[0]}
        return output

    def _network_step(self, engine: SupervisedTrainer, batchdata: dict[str, torch.Tensor]) -> dict:
        with without_gradients(self.critic):
            return super()._iteration(engine, batchdata)

    def _critic_step(self, inputs: torch.Tensor, batch: Batch, *args: Any, **kwargs: Any) -> dict[str, torch.Tensor]:
        self.network.train()
        self.critic.train()
        with torch.no_grad():
            real, fake = self.pairing(self.inferer(inputs, self.network, *args, **kwargs), batch)
        self.critic_optimizer.zero_grad(set_to_none=True)
        with autocast(self.precision, inputs.device):
            terms = self.game.critic_terms(self.critic, real, fake)
        torch.stack(list(terms.values())).sum().backward()
        self.critic_optimizer.step()
        return {name: value.detach() for name, value in terms.items()}
