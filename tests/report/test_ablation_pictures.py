from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.metrics import ScoreHistogram
from pipeline.report.ablation_pictures import PICTURES, followed

GRIDS = [
    {"method": ["amcons"], "constraint_weight": [0.0, 300.0], "attention_stage": [1]},
    {"method": ["amcons"], "constraint_weight": [300.0], "attention_stage": [1, 2]},
]


def histogram(path: Path, centre: float, lesion: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = centre + torch.rand((1, 1, 50, 50), generator=generator)
    label = scores > centre + 0.7 if lesion else torch.zeros_like(scores)
    counts = ScoreHistogram()
    counts.update(scores, label, None, ["sub-a"])
    counts.save(path)


@pytest.fixture
def runs(tmp_path: Path) -> pd.DataFrame:
    rows = []
    for weight, stage in [(0.0, 1), (300.0, 1), (300.0, 2)]:
        for seed in (0, 1):
            folder = tmp_path / f"{weight}-{stage}-{seed}"
            folder.mkdir()
            figures = ("auprc", "gradcam_auprc", "intensity_correlation", "gradcam_correlation", "entropy_gap")
            table = [
                {"epoch": epoch, "stage": s, "split": "validation", "scans": 2}
                | dict.fromkeys(figures, (weight + 10 * s + epoch + seed) / 1000)
                for epoch in range(3)
                for s in range(1, 5)
            ]
            pd.DataFrame(table).to_csv(folder / "attention.csv", index=False)
            histogram(folder / "calibration.npz", weight, lesion=False)
            histogram(folder / "test.npz", weight + 0.5, lesion=True)
            where = {"dataset": "tiny", "simulated": True, "method": "amcons", "seed": seed, "folder": folder}
            rows.append({**where, "constraint_weight": weight, "attention_stage": stage})
    return pd.DataFrame(rows)


def test_lines_are_means_over_seeds_of_the_constrained_stage(runs: pd.DataFrame) -> None:
    figure = PICTURES["over_training"](runs, GRIDS)
    assert figure.get_suptitle() == "Activation maps over training: tiny, 2 simulated scans of the split validation"
    columns = np.array(figure.axes).reshape(3, 2).T
    assert [c[0].get_title() for c in columns] == ["amcons:\nconstraint weight", "amcons:\nattention stage"]
    drawn = [{line.get_label(): line for line in c[0].lines if line.get_label()[0] != "_"} for c in columns]
    assert [list(lines) for lines in drawn] == [["0", "300"], ["1", "2"]]
    for lines, name, start in ((drawn[0], "0", 10.5), (drawn[0], "300", 310.5), (drawn[1], "2", 320.5)):
        np.testing.assert_allclose(lines[name].get_ydata(), (start + np.arange(3)) / 1000)
        assert lines[name].get_xdata().tolist() == [0, 1, 2]
    assert columns[0][2].get_yscale() == "log" and len(columns[0][0].lines) == 6
    assert "gradcam" in PICTURES and len(followed(runs)) == 6 * 3 * 4


def test_distributions_hold_all_pixels_on_one_axis(runs: pd.DataFrame) -> None:
    figure = PICTURES["distributions"](runs, GRIDS[:1])
    assert "simulated" in figure.get_suptitle()
    axes = np.array(figure.axes).reshape(2, 2)
    assert [ax.get_title() for ax in axes[0]] == ["amcons, constraint weight 0", "amcons, constraint weight 300"]
    for ax, classes in zip(axes.ravel(), (1, 1, 2, 2), strict=True):
        assert len(ax.patches) == classes
        for patch in ax.patches:
            values, edges, _ = patch.get_data()
            assert values.sum() == pytest.approx(1) and edges[0] < 0.01 and edges[-1] > 301
    assert "overlap" in axes[1, 0].get_legend().get_texts()[-1].get_text()
