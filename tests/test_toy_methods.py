"""Methods of new kinds at the promised price: one YAML and one class; killed and continued, to the same bytes."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from ignite.engine import Events
from toy_methods.memory_bank import MemoryBank

from pipeline.attention import enlarge
from pipeline.leaderboard import run_leaderboard
from pipeline.networks import ResNetAutoencoder, load_weights
from pipeline.workflow import MethodWorkflow

TOYS = Path(__file__).parent / "toy_methods"
METHODS = {"memory_bank": "memory_bank.py", "diffusion": "noise_and_denoise.py"}
OVERRIDES = {"memory_bank": {"checkpoint_batches": 1}, "diffusion": {"max_epochs": 2, "precision": "fp32"}}


def workflow(method: str, dataset: Path, runs: Path) -> MethodWorkflow:
    made = MethodWorkflow(
        method=str(TOYS / f"{method}.yaml"), dataset_dir=str(dataset), runs_dir=str(runs), **OVERRIDES[method]
    )
    made.initialize()
    return made


def killed(method: str, dataset: Path, runs: Path, batch: int) -> None:
    """Train in a process that is killed (signal 9) after so many batches."""
    code = (
        f"import os, sys; sys.path.insert(0, {str(TOYS.parent)!r})\n"
        "from pathlib import Path\n"
        "from ignite.engine import Events\n"
        "from test_toy_methods import workflow\n"
        f"made = workflow({method!r}, Path({str(dataset)!r}), Path({str(runs)!r}))\n"
        "trainer = made.parser.get_parsed_content('train::trainer')\n"
        f"trainer.add_event_handler(Events.ITERATION_COMPLETED(once={batch}), lambda _: os.kill(os.getpid(), 9))\n"
        "made.run()\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr


@pytest.fixture(scope="module")
def runs(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both methods, trained, calibrated and evaluated."""
    root = tmp_path_factory.mktemp("toys")
    for method in METHODS:
        run_leaderboard([str(TOYS / f"{method}.yaml")], tiny_dataset, root, **OVERRIDES[method])
    return root


@pytest.mark.parametrize("method", METHODS)
def test_it_costs_one_short_file_and_one_class(method: str) -> None:
    lines = [line for line in (TOYS / f"{method}.yaml").read_text().splitlines() if line.strip()]
    assert len(lines) <= 25
    nodes = ast.walk(ast.parse((TOYS / METHODS[method]).read_text()))
    assert sum(isinstance(node, ast.ClassDef) for node in nodes) == 1


@pytest.mark.parametrize("method", METHODS)
def test_it_comes_to_its_row(method: str, runs: Path) -> None:
    row = pd.read_csv(runs / method / "seed-0" / "metrics.csv").iloc[0]
    assert row["method"] == method and 0 < row["auprc"] <= 1 and row["dice@p95"] >= 0


@pytest.mark.parametrize("method, batch", [("memory_bank", 2), ("diffusion", 5)])
def test_killed_and_continued_it_ends_with_the_same_bytes(
    method: str, batch: int, runs: Path, tiny_dataset: Path, tmp_path: Path
) -> None:
    killed(method, tiny_dataset, tmp_path, batch)
    folder = tmp_path / method / "seed-0"
    assert list(folder.glob("checkpoints/checkpoint_*.pt")) and not (folder / "model.pt").exists()
    seen: list[int] = []
    again = workflow(method, tiny_dataset, tmp_path)
    trainer = again.parser.get_parsed_content("train::trainer")
    trainer.add_event_handler(Events.ITERATION_STARTED, lambda engine: seen.append(engine.state.iteration))
    again.run()
    assert seen[0] == {"memory_bank": 3, "diffusion": 4}[method], "what the checkpoint has is not done again"
    for file in sorted(path.relative_to(folder) for path in folder.rglob("*.pt")):
        assert (folder / file).read_bytes() == (runs / method / "seed-0" / file).read_bytes(), file


def test_the_bank_holds_patches_of_normal_slices_and_maps_are_distances_to_the_nearest(runs: Path) -> None:
    folder = runs / "memory_bank" / "seed-0"
    network = load_weights(MemoryBank(ResNetAutoencoder(32, 32)), folder / "model.pt")
    assert network.bank.shape[1] == 64 and len(network.bank) == pytest.approx(24 * 16**2 / 4, rel=0.1)
    image = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        features = network.encoder.features(image, up_to=1)[-1]
        nearest = [[[(network.bank - features[n, :, y, x]).norm(dim=1).min() for x in range(16)] for y in range(16)]
                   for n in range(2)]  # fmt: skip
        torch.testing.assert_close(
            network(image), enlarge(torch.tensor(nearest)[:, None], (32, 32)), rtol=1e-3, atol=1e-3
        )


def test_what_does_not_learn_is_stored_once(runs: Path) -> None:
    folder = runs / "memory_bank" / "seed-0"
    checkpoint = torch.load(next(folder.rglob("checkpoint_*.pt")), weights_only=True)
    assert list(checkpoint["network"]) == ["bank"]
    model, encoder = (torch.load(folder / name, weights_only=True) for name in ("model.pt", "encoder.pt"))
    assert all(torch.equal(model[f"encoder.{name}"], value) for name, value in encoder.items())
    assert set(model) == {"bank", *(f"encoder.{name}" for name in encoder)}


def test_the_model_is_the_moving_average_of_the_weights(runs: Path) -> None:
    folder = runs / "diffusion" / "seed-0"
    checkpoint = torch.load(next(folder.rglob("checkpoint_*.pt")), weights_only=True)
    model = torch.load(folder / "model.pt", weights_only=True)
    assert all(torch.equal(model[name], checkpoint["averaged"][name]) for name in model)
    assert any(not torch.equal(model[name], checkpoint["network"][name]) for name in model)
