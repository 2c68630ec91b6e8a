"""The supervised upper reference learns from labelled validation patients, and never from a test scan."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from monai.losses import DiceCELoss

from pipeline import report
from pipeline.errors import PipelineError
from pipeline.inferers import Probability
from pipeline.labelled_data import labelled_slices, share_patients
from pipeline.leaderboard import run_leaderboard
from pipeline.losses import LabelLoss
from pipeline.report.words import finding, subtitle
from pipeline.workflow import MethodWorkflow


def manifest(patients: int, tiny_dataset: Path, root: Path) -> Path:
    """The manifest of a drawn data set, with two validation scans a patient and one scan of test and training."""
    content = json.loads((tiny_dataset / "dataset.json").read_text())
    item = content["items"][0]
    subjects = [(f"s{i // 2}", "validation") for i in range(2 * patients)] + [("t", "test"), ("h", "train")]
    content["items"] = [{**item, "subject": subject, "split": split} for subject, split in subjects]
    (root / "dataset.json").write_text(json.dumps(content))
    return root


@pytest.mark.parametrize(
    "patients, share, learnt", [(2, 0.67, 1), (3, 0.67, 2), (9, 0.67, 6), (5, 0.01, 1), (5, 0.99, 4)]
)
def test_patients_are_on_one_side_and_none_is_of_the_test(
    patients: int, share: float, learnt: int, tiny_dataset: Path, tmp_path: Path
) -> None:
    shared = share_patients(manifest(patients, tiny_dataset, tmp_path), share)
    assert len(shared.training) == learnt and not set(shared.training) & set(shared.held_out)
    assert set(shared.training) | set(shared.held_out) == {f"s{i}" for i in range(patients)}
    assert shared == share_patients(tmp_path, share)


def test_too_few_patients_and_other_shares_are_refused(tiny_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="at least 2 labelled patients in the split 'validation' .* found 1"):
        share_patients(manifest(1, tiny_dataset, tmp_path))
    with pytest.raises(PipelineError, match=r"must be in \(0, 1\), got 1"):
        share_patients(tmp_path, 1.0)


def test_slices_are_those_of_the_patients_with_their_labels(tiny_dataset: Path) -> None:
    slices = labelled_slices(tiny_dataset, ["sub-validation1"])
    assert {slices[i]["scan"] for i in range(len(slices))} == {"sub-validation1"} and len(slices) == 3
    assert sum(int(slices[i]["lesion"].sum()) for i in range(3)) > 0


def test_the_loss_is_monais_and_the_map_a_probability() -> None:
    torch.manual_seed(0)
    logits, lesion = torch.randn(2, 1, 8, 8), torch.rand(2, 1, 8, 8) > 0.7
    loss = LabelLoss(DiceCELoss(sigmoid=True, batch=True))
    found = loss(logits, {"lesion": lesion})
    p, y = logits.sigmoid(), lesion.float()
    dice = 1 - (2 * (p * y).sum() + 1e-5) / (p.sum() + y.sum() + 1e-5)
    entropy = torch.nn.functional.binary_cross_entropy(p, y)
    assert found.item() == pytest.approx((dice + entropy).item(), rel=1e-4) == loss.terms["labels"].item()
    torch.testing.assert_close(Probability(chunk=1)(logits, torch.nn.Identity()).map, p)


def test_training_needs_no_test_scan_and_calibration_holds_patients_out(tiny_dataset: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(tiny_dataset, tmp_path / "dataset"))
    for path in root.glob("slices/test_*"):
        path.unlink()
    for path in root.glob("slices/train_*"):
        path.unlink()
    for stage in ("train", "calibrate"):
        made = MethodWorkflow(
            method="unet_supervised", stage=stage, dataset_dir=str(root), runs_dir=str(tmp_path / "runs"), max_epochs=1
        )
        made.initialize()
        made.run()
    patients = made.parser.get_parsed_content("patients")
    thresholds = json.loads(next(tmp_path.rglob("thresholds.json")).read_text())
    of_validation = next(t for t in thresholds if t["rule"] == "val_op")
    assert of_validation["n_subjects"] == len(patients.held_out) == 1


def test_its_row_is_marked_and_stands_apart(tiny_dataset: Path, tmp_path: Path) -> None:
    results = run_leaderboard(["intensity", "unet_supervised"], tiny_dataset, tmp_path, max_epochs=1, precision="fp32")
    assert results.set_index("method")["supervised"].fillna(False).to_dict() == {
        "intensity": False,
        "unet_supervised": True,
    }
    loaded = report.load_results(tmp_path)
    loaded.loc[loaded["method"] == "unet_supervised", "auprc"] = 0.99
    assert report.table(loaded)["kind"].tolist() == ["floor", "supervised"], "below the others, whatever its precision"
    assert "supervised" not in finding(loaded) and "1 supervised reference" in subtitle(loaded)
    alone = loaded[loaded["method"] == "unet_supervised"]
    assert finding(alone) == "There are supervised references alone, which are not compared."
