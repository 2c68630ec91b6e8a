"""A trainer takes losses of this package, and any loss of two tensors."""

from __future__ import annotations

import torch
from monai.losses import SSIMLoss
from torch import nn

from pipeline.losses import BatchLoss, training_loss
from pipeline.networks.spa import SpatialOutput


class OfBatch(BatchLoss):
    def forward(self, output, batch) -> torch.Tensor:
        return (output - batch["lesion"]).mean()


def test_a_loss_of_tensors_gets_what_was_drawn_and_the_image() -> None:
    torch.manual_seed(0)
    drawn, image = torch.rand(2, 2, 1, 16, 16)
    batch, output = {"image": image, "lesion": image > 0.5}, SpatialOutput(drawn, drawn, drawn)
    for loss in (nn.MSELoss(), nn.HuberLoss(), SSIMLoss(spatial_dims=2)):
        expected = loss(drawn, image)
        for found in (output, drawn):
            for target in (batch, image):
                assert torch.equal(training_loss(loss)(found, target), expected)
    assert training_loss(nn.MSELoss())(drawn.bfloat16(), batch).dtype == torch.float32


def test_a_loss_of_batches_is_called_as_it_is() -> None:
    loss = OfBatch()
    assert training_loss(loss) is loss and loss.terms == {}
