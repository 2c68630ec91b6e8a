"""A model from the CPU on a GPU, and a training that is killed there: `pytest -m gpu`, or benchmarks/gpu.py."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from test_resume import run_broken_and_whole

from pipeline.metrics import load_thresholds
from pipeline.workflow import MethodWorkflow

TOLERANCE = 1e-3
METHODS = ("vae", "amcons", "gradcamcons_log_barrier")


@pytest.fixture(autouse=True)
def needs_cuda() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")


def stage(name: str, method: str, dataset: Path, runs: Path, device: str) -> None:
    given = {"dataset_dir": str(dataset), "runs_dir": str(runs), "device": f"$torch.device('{device}')"}
    workflow = MethodWorkflow(method=method, stage=name, max_epochs=1, precision="fp32", **given)
    workflow.initialize()
    workflow.run()


def maps_of(runs: Path) -> np.ndarray:
    return np.stack([np.asarray(nib.load(path).dataobj) for path in sorted(runs.rglob("*_anomaly.nii.gz"))])


@pytest.mark.gpu
@pytest.mark.parametrize("method", METHODS)
def test_a_model_trained_on_the_cpu_draws_the_same_map_on_cuda(method: str, tiny_dataset: Path, tmp_path: Path) -> None:
    """The maps differ by at most 1e-3 of their range, and by fewer than 1 % of the pixels above a threshold."""
    for name in ("train", "calibrate", "evaluate"):
        stage(name, method, tiny_dataset, tmp_path, "cpu")
    on_cpu = maps_of(tmp_path)
    stage("evaluate", method, tiny_dataset, tmp_path, "cuda")
    on_cuda = maps_of(tmp_path)
    assert np.abs(on_cuda - on_cpu).max() <= TOLERANCE * max(1.0, np.ptp(on_cpu))
    for threshold in load_thresholds(next(tmp_path.rglob("thresholds.json"))):
        masks = on_cpu >= threshold.value, on_cuda >= threshold.value
        assert (masks[0] != masks[1]).mean() < 0.01, threshold.rule


@pytest.mark.gpu
@pytest.mark.parametrize(
    "method, precision", [("vae", "bf16"), ("amcons", "bf16"), ("gradcamcons_log_barrier", "fp32")]
)
def test_killed_and_continued_on_cuda_has_the_same_bytes(
    method: str, precision: str, tiny_dataset: Path, tmp_path: Path
) -> None:
    one, two = run_broken_and_whole(method, "train::trainer", tiny_dataset, tmp_path, precision=precision)
    assert all(torch.equal(one[name], two[name]) for name in one)
