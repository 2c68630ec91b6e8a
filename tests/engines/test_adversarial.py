from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.engines import AdversarialTrainer, PrepareSlices
from pipeline.inferers import Forward, Generate
from pipeline.losses import FoolCritic, Objective, StandardGAN, WassersteinGP, image_pair, latent_pair
from pipeline.losses.adversarial import gradient_penalty
from pipeline.networks import FAnoGAN, ImageCritic, LatentCritic, ResNetAutoencoder


def batch(size: int = 16) -> dict:
    torch.manual_seed(0)
    image = torch.rand(4, 1, size, size)
    return {"image": image, "brain": image > 0.2}


def trainer(network: nn.Module, critic: nn.Module, game, pairing=image_pair, inferer=None, **override):
    fool = FoolCritic(critic, game, pairing)
    return AdversarialTrainer(
        critic=critic,
        critic_optimizer=torch.optim.SGD(critic.parameters(), 0.01),
        game=game,
        pairing=pairing,
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=[batch()],
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), 1e-4),
        loss_function=override.pop("loss", Objective(constraint=fool, constraint_weight=1.0)),
        inferer=inferer or Forward("fp32"),
        prepare_batch=override.pop("prepare_batch", PrepareSlices()),
        decollate=False,
        optim_set_to_none=True,
        **override,
    )


def gradients(module: nn.Module) -> list[torch.Tensor]:
    return [parameter.grad for parameter in module.parameters() if parameter.grad is not None]


@pytest.mark.parametrize(
    "game, pairing, critic",
    [
        (StandardGAN(), image_pair, ImageCritic(16)),
        (WassersteinGP(), image_pair, ImageCritic(16, normalised=False)),
        (WassersteinGP(), latent_pair, LatentCritic(4)),
    ],
)
def test_no_gradient_leaks_between_network_and_critic(game, pairing, critic) -> None:
    network = ResNetAutoencoder(16, 4)
    engine = trainer(network, critic, game, pairing)
    inputs, target = engine.prepare_batch(batch(), torch.device("cpu"))
    weights = [parameter.clone() for parameter in network.parameters()]
    engine._critic_step(inputs, target)
    assert not gradients(network), "a critic step leaves the network without gradients"
    assert all(map(torch.equal, weights, network.parameters()))
    after_critic = [gradient.clone() for gradient in gradients(critic)]
    assert len(after_critic) == len(list(critic.parameters()))

    seen = []

    def look(module, gradient_in, gradient_out) -> None:
        seen.append(all(not parameter.requires_grad for parameter in critic.parameters()))

    critic.register_full_backward_hook(look)
    engine._network_step(engine, batch())
    assert seen and all(seen), "the critic takes part in the network's step without collecting"
    assert all(map(torch.equal, after_critic, gradients(critic)))
    assert all(parameter.requires_grad for parameter in critic.parameters())
    assert gradients(network)


def test_critic_moves_as_often_as_asked_and_the_network_once() -> None:
    network, game = FAnoGAN(16, 4), WassersteinGP()
    critic = network.critic
    counts = {"critic": 0, "network": 0}
    engine = trainer(network, critic, game, inferer=Generate("fp32"), loss=FoolCritic(critic, game), critic_steps=3)
    for name, optimizer in (("critic", engine.critic_optimizer), ("network", engine.optimizer)):
        optimizer.register_step_post_hook(lambda *_, name=name: counts.update({name: counts[name] + 1}))
    engine.run()
    assert counts == {"critic": 3, "network": 1}
    assert set(engine.state.output["terms"]) == {"critic", "gradient_penalty"}


def test_wasserstein_critic_approaches_the_distance_of_two_shifted_gaussians() -> None:
    torch.manual_seed(0)
    shift = torch.tensor([0.6, 0.8, 0.0])  # Wasserstein distance = length of the shift = 1
    critic, game = LatentCritic(3, width=64), WassersteinGP(weight=10)
    optimizer = torch.optim.Adam(critic.parameters(), 2e-3, betas=(0.0, 0.9))
    for _ in range(400):
        real = torch.randn(256, 3)
        terms = game.critic_terms(critic, real + shift, torch.randn(256, 3))
        optimizer.zero_grad()
        (terms["critic"] + terms["gradient_penalty"]).backward()
        optimizer.step()
    with torch.no_grad():
        estimate = critic(torch.randn(20_000, 3) + shift).mean() - critic(torch.randn(20_000, 3)).mean()
    assert 0.93 < estimate < 1.12, "slope ≤ 1 + distance / (2 weight) = 1.05"


def test_gradient_penalty_of_a_linear_critic_is_that_of_its_slope() -> None:
    slope = torch.tensor([3.0, 4.0])
    penalty = gradient_penalty(lambda x: x @ slope, torch.randn(5, 2), torch.randn(5, 2))
    torch.testing.assert_close(penalty, torch.tensor((5.0 - 1) ** 2))


def test_standard_game_at_zero_scores() -> None:
    game, nothing = StandardGAN(), lambda x: torch.zeros(len(x))
    log2 = torch.tensor(2.0).log()
    torch.testing.assert_close(game.critic_terms(nothing, torch.ones(3), torch.ones(3))["critic"], 2 * log2)
    torch.testing.assert_close(game.generator(torch.zeros(3)), log2)


def test_critic_and_network_see_what_a_prepare_batch_of_four_values_adds() -> None:
    """As MONAI's DiffusionPrepareBatch does, for the inferer."""
    seen: list[bool] = []

    def forward(inputs, network, *, sample: bool):
        seen.append(sample)
        return Forward("fp32")(inputs, network, sample=sample)

    network, critic = ResNetAutoencoder(16, 4), ImageCritic(16)
    four = lambda *given, **more: (*PrepareSlices()(*given, **more), (), {"sample": False})  # noqa: E731
    trainer(network, critic, StandardGAN(), inferer=forward, prepare_batch=four, critic_steps=2).run()
    assert seen == [False] * 3, "two steps of the critic, one of the network"
