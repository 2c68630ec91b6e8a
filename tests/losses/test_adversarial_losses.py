from __future__ import annotations

import torch

from pipeline.losses import (
    IziLoss,
    LatentConsistency,
    WeightedSum,
    kl_of_each,
    negative_elbo,
    summed_bce,
)
from pipeline.networks import FAnoGAN, ResNetAutoencoder
from pipeline.networks.autoencoder import AutoencoderOutput


def test_negative_elbo_of_each_image_averages_to_the_training_loss() -> None:
    torch.manual_seed(0)
    network, image = ResNetAutoencoder(16, 4).eval(), torch.rand(3, 1, 16, 16)
    output = network(image)
    total = summed_bce(output.logits, image) + kl_of_each(output.mu, output.logvar).mean()
    torch.testing.assert_close(negative_elbo(output, image).mean(), total)


def test_consistency_vanishes_for_an_encoder_that_sees_its_own_reconstruction() -> None:
    torch.manual_seed(0)
    network, image = ResNetAutoencoder(16, 4, variational=False), torch.rand(2, 1, 16, 16)
    output = network(image)
    same = AutoencoderOutput(torch.logit(image), output.mu, None, output.features)
    loss = LatentConsistency(network)
    running = network.stages[0][0].bn1.running_mean.clone()
    torch.testing.assert_close(loss(same, {}), torch.tensor(0.0), atol=1e-4, rtol=0)
    assert loss(output, {}) > 0
    assert torch.equal(running, network.stages[0][0].bn1.running_mean), "running statistics are of images alone"
    assert not list(loss.parameters())


def test_izi_loss_weighs_pixels_and_features() -> None:
    torch.manual_seed(0)
    network, image = FAnoGAN(16, 4).eval(), torch.rand(2, 1, 16, 16)
    output, batch = network(image), {"image": image}
    loss = IziLoss(network.critic, kappa=2.0)
    total = loss(output, batch)
    pixels = (image - output.reconstruction).square().mean()
    torch.testing.assert_close(total.detach(), loss.terms["pixels"] + 2 * loss.terms["features"])
    torch.testing.assert_close(IziLoss(network.critic, kappa=0.0)(output, batch), pixels)


def test_weighted_sum() -> None:
    class Constant(torch.nn.Module):
        def forward(self, output, batch) -> torch.Tensor:
            return torch.tensor(3.0)

    assert WeightedSum([Constant(), Constant()], [1.0, 0.5])(None, {}) == 4.5
