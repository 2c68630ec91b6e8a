from __future__ import annotations

import pytest
import torch

from pipeline.errors import PipelineError
from pipeline.networks import FAnoGAN, ImageCritic, LatentCritic


@pytest.mark.parametrize("size", [32, 96])
def test_a_score_for_each_image(size: int) -> None:
    image = torch.rand(3, 1, size, size)
    assert ImageCritic(size)(image).shape == (3,)
    assert ImageCritic(size).features(image).shape == (3, 512, size // 16, size // 16)
    assert LatentCritic(5)(torch.rand(3, 5)).shape == (3,)
    with pytest.raises(PipelineError, match="positive multiple of 16, got 40"):
        ImageCritic(40)


def test_a_wasserstein_critic_scores_each_image_by_itself() -> None:
    image = torch.rand(3, 1, 32, 32)
    critic = ImageCritic(32, normalised=False)
    torch.testing.assert_close(critic(image)[:1], critic(image[:1]))


@pytest.mark.parametrize(
    "critic, shape", [(ImageCritic(32, normalised=False), (4, 1, 32, 32)), (LatentCritic(5), (4, 5))]
)
def test_scores_and_their_gradients_hardly_change_under_autocast(critic: torch.nn.Module, shape: tuple) -> None:
    torch.manual_seed(0)
    inputs, found = torch.rand(shape), []
    for enabled in (False, True):
        critic.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            scores = critic(inputs)
        scores.square().sum().backward()
        found.append((scores.detach(), torch.cat([p.grad.flatten() for p in critic.parameters()])))
    assert found[1][0].dtype == torch.float32
    torch.testing.assert_close(found[1][0], found[0][0], rtol=0.05, atol=5e-3)
    assert torch.cosine_similarity(found[1][1], found[0][1], dim=0) > 0.99


def test_parts_of_fanogan_share_nothing_and_miss_nothing() -> None:
    network = FAnoGAN(16, 4)
    parts = [network.generator_parameters(), network.encoder_parameters(), list(network.critic.parameters())]
    ids = [id(parameter) for part in parts for parameter in part]
    assert len(ids) == len(set(ids)) == len(list(network.parameters()))


def test_a_fixed_generator_stays_fixed_while_the_network_trains() -> None:
    network = FAnoGAN(16, 4).train()
    network.fix_generator()
    network(torch.rand(2, 1, 16, 16)).reconstruction.sum().backward()
    assert all(parameter.grad is None for parameter in network.generator_parameters())
    assert all(parameter.grad is not None for parameter in network.encoder_parameters())
    assert not network.decoder.training and network.stages.training
