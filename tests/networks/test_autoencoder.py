from __future__ import annotations

import pytest
import torch

from pipeline.errors import PipelineError
from pipeline.networks import ResNetAutoencoder, load_weights


def count(*modules: torch.nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def test_parameters_of_the_paper_at_224_px() -> None:
    network = ResNetAutoencoder(224, 32)
    assert network.to_logvar is not None
    assert count(network.stem, network.stages, network.to_mu, network.to_logvar) == 17_592_704
    assert count(network.from_latent, network.decoder) == 2_682_273


@pytest.mark.parametrize("size", [64, 96, 128, 224])
def test_shapes(size: int) -> None:
    output = ResNetAutoencoder(size, 8).eval()(torch.rand(1, 1, size, size))
    assert output.logits.shape == (1, 1, size, size)
    assert output.mu.shape == (1, 8)
    assert [f.shape[1:] for f in output.features] == [
        (64 * 2**s, size // 2 ** (s + 1), size // 2 ** (s + 1)) for s in range(4)
    ]
    assert all((feature >= 0).all() for feature in output.features), "stage outputs are taken after their ReLU"


@pytest.mark.parametrize("up_to", [1, 2, 3, 4])
def test_features_up_to_a_stage_are_those_of_all_and_cost_no_later_stage(up_to: int) -> None:
    network, image, run = ResNetAutoencoder(32, 4).eval(), torch.rand(2, 1, 32, 32), []
    expected = network.features(image)[:up_to]
    for number, stage in enumerate(network.stages, start=1):
        stage.register_forward_hook(lambda *_, number=number: run.append(number))
    found = network.features(image, up_to)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert run == list(range(1, up_to + 1))


def test_latent_is_sampled_while_training_only() -> None:
    torch.manual_seed(0)
    network, image = ResNetAutoencoder(32, 4), torch.rand(2, 1, 32, 32)
    for module in network.modules():  # batch statistics alone would make two training passes equal
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.0
    assert not torch.equal(network(image).logits, network(image).logits)
    network.eval()
    assert torch.equal(network(image).logits, network(image).logits)
    assert torch.equal(network(image).logits, network.decode(network(image).mu))


def test_plain_autoencoder_has_one_head() -> None:
    assert ResNetAutoencoder(32, 4, variational=False)(torch.rand(2, 1, 32, 32)).logvar is None


@pytest.mark.parametrize("size", [0, -16, 100])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(PipelineError, match=f"positive multiple of 16, got {size}"):
        ResNetAutoencoder(size)


def test_missing_weights_are_an_error(tmp_path) -> None:
    with pytest.raises(PipelineError, match="missing checkpoint .*run the stage train first"):
        load_weights(torch.nn.Linear(1, 1), tmp_path / "model.pt")


def test_weights_of_another_network_are_an_error(tmp_path) -> None:
    torch.save(torch.nn.Linear(2, 1).state_dict(), tmp_path / "model.pt")
    with pytest.raises(PipelineError, match="does not fit this network"):
        load_weights(torch.nn.Linear(1, 1), tmp_path / "model.pt")


def test_a_checkpoint_cannot_run_code(tmp_path) -> None:
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "written"), "w"))

    torch.save({"weight": Evil()}, tmp_path / "model.pt")
    with pytest.raises(PipelineError, match="does not fit"):
        load_weights(torch.nn.Linear(1, 1), tmp_path / "model.pt")
    assert not (tmp_path / "written").exists()
