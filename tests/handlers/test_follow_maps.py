from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from ignite.engine import Engine
from scipy.stats import entropy, pearsonr
from sklearn.metrics import average_precision_score

from pipeline.attention import activation_map
from pipeline.data import SliceDataset
from pipeline.errors import PipelineError
from pipeline.handlers import FollowMaps
from pipeline.networks import ResNetAutoencoder
from pipeline.workflow import MethodWorkflow


def network() -> ResNetAutoencoder:
    torch.manual_seed(0)
    return ResNetAutoencoder(32, 4)


def follow(dataset: Path, path: Path, epochs: int = 1, start: int = 0, **options) -> pd.DataFrame:
    """Train nothing for `epochs` epochs after `start`."""
    trainer = Engine(lambda engine, batch: None)
    scans = SliceDataset(dataset, "test", erosion_mm=3.2)
    FollowMaps(str(path), options.pop("network", network()), scans, torch.device("cpu"), **options).attach(trainer)
    trainer.load_state_dict({"epoch": start, "max_epochs": start + epochs, "epoch_length": 1})
    trainer.run([0])
    return pd.read_csv(path)


def test_figures_equal_those_of_other_libraries(tiny_dataset: Path, tmp_path: Path) -> None:
    model, scans = network(), SliceDataset(tiny_dataset, "test", erosion_mm=3.2)
    table = follow(tiny_dataset, tmp_path / "attention.csv", network=model)
    batch = [scans[row] for row in range(len(scans))]
    image, lesion, support, brain = (
        torch.stack([b[k] for b in batch]) for k in ("image", "lesion", "support", "brain")
    )
    features = model.eval().features(image)
    for stage, row in enumerate(table[table["epoch"] == 0].to_dict("records")):
        attention = activation_map(features[stage], (32, 32)).detach()
        values = attention[support].double().numpy()
        assert row["stage"] == stage + 1 and row["split"] == "test" and row["scans"] == 4
        assert row["auprc"] == pytest.approx(average_precision_score(lesion[support], values), abs=1e-3)
        assert row["intensity_correlation"] == pytest.approx(pearsonr(values, image[support]).statistic, abs=1e-5)
        softmax = [np.exp(a[b].double().numpy()) for a, b in zip(attention, brain, strict=True)]
        gaps = [np.log(len(p)) - entropy(p) for p in softmax]
        assert row["entropy_gap"] == pytest.approx(np.mean(gaps), rel=1e-6)


def test_without_gradients_the_two_maps_are_one(tiny_dataset: Path, tmp_path: Path) -> None:
    """A linear head whose gradient is the same for all channels: the Grad-CAM is a multiple of the activation map."""
    model = network()
    model.to_mu = torch.nn.Linear(model.to_mu.in_features, 4)
    torch.nn.init.ones_(model.to_mu.weight)
    last = follow(tiny_dataset, tmp_path / "attention.csv", network=model)
    assert last[last["stage"] == 4]["gradcam_correlation"].tolist() == pytest.approx([1.0, 1.0])
    assert (last[last["stage"] == 1]["gradcam_correlation"].abs() < 0.999).all()


def test_epochs_that_are_trained_again_are_replaced(tiny_dataset: Path, tmp_path: Path) -> None:
    path = tmp_path / "attention.csv"
    whole = follow(tiny_dataset, path, epochs=3, scans=2)
    assert whole["epoch"].unique().tolist() == [0, 1, 2, 3] and set(whole["scans"]) == {2}
    again = follow(tiny_dataset, path, epochs=1, start=1, scans=2)
    assert again["epoch"].unique().tolist() == [0, 1, 2], "epoch 0 is not measured again, epoch 3 is gone"


def test_the_training_is_not_disturbed(tiny_dataset: Path, tmp_path: Path) -> None:
    weights = []
    for presets in ("", "follow_maps"):
        workflow = MethodWorkflow(
            method="amcons", presets=presets, dataset_dir=str(tiny_dataset), runs_dir=str(tmp_path / f"runs{presets}"),
            max_epochs=2, precision="fp32",
        )  # fmt: skip
        workflow.initialize()
        workflow.run()
        weights.append(torch.load(next((tmp_path / f"runs{presets}").rglob("model.pt")), weights_only=True))
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    table = pd.read_csv(tmp_path / "runsfollow_maps/amcons/seed-0/attention.csv")
    assert table["epoch"].unique().tolist() == [0, 1, 2] and set(table["split"]) == {"validation"}


def test_the_test_part_has_to_be_asked_for(tiny_dataset: Path) -> None:
    found = {}
    for presets in ("follow_maps", "follow_maps,follow_test"):
        workflow = MethodWorkflow(method="amcons", presets=presets, dataset_dir=str(tiny_dataset))
        workflow.initialize()
        found[presets] = workflow.parser.get_parsed_content("train::before::follow").dataset.split
    assert list(found.values()) == ["validation", "test"]
    with pytest.raises(PipelineError, match="unknown split 'held_out'.*available: train"):
        SliceDataset(tiny_dataset, "held_out")
