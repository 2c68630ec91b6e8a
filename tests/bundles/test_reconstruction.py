"""Auto-encoders learn to draw normals."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipeline.data import SliceDataset
from pipeline.metrics.reconstruction import reconstruction_error
from pipeline.workflow import MethodWorkflow


def held_out(workflow: MethodWorkflow, dataset: Path) -> tuple[float, float]:
    """Mean SSIM of held-out normals, drawn by the network as it is."""
    image = torch.from_numpy(SliceDataset(dataset, "calibration").arrays["image"].copy())[:, None]
    network = workflow.parser.get_parsed_content("network").eval()
    with torch.no_grad():
        figures = reconstruction_error(network(image).reconstruction, image)
    return float(figures.ssim.mean()), float(figures.l1.mean())


@pytest.mark.parametrize("method", ["ae", "vae"])
def test_reconstruction_of_held_out_normals(method: str, tiny_dataset: Path, tmp_path: Path) -> None:
    workflow = MethodWorkflow(
        method=method,
        dataset_dir=str(tiny_dataset),
        runs_dir=str(tmp_path),
        max_epochs=20,
        learning_rate=1e-3,
        precision="fp32",
    )
    workflow.initialize()
    before, _ = held_out(workflow, tiny_dataset)
    workflow.run()
    ssim, l1 = held_out(workflow, tiny_dataset)
    assert before < 0.3 < 0.8 < ssim, "structural similarity of discs with 3 % noise"
    assert l1 < 0.05
