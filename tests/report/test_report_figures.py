"""Figures: curves are those of the counts, pictures keep to a convention and one colour range, files come as a pair."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from lesionless.cli import app
from pipeline.errors import PipelineError
from pipeline.metrics import ScoreHistogram
from pipeline.metrics.curves import average_precision, best_dice, confusion
from pipeline.report import load_scans, montage, reconstructions, roc, sensitivity, shifts, sweep, volumes
from pipeline.report.at_thresholds import at_thresholds
from pipeline.report.over_thresholds import precision_recall
from pipeline.report.pictures import colour_range
from pipeline.report.results import find_runs

BLUE = "#0072b2"  # the first learned method, amcons


def line(figure, colour: str = BLUE):
    [found] = [one for one in figure.axes[0].lines if one.get_color() == colour and one.get_label()[0] != "_"]
    return found.get_data()


@pytest.fixture(scope="module")
def pooled(runs: Path):
    return ScoreHistogram.load(runs / "amcons" / "seed-0" / "test.npz").pooled()


def test_counts_at_thresholds_are_those_of_the_histogram(runs: Path) -> None:
    run = find_runs(runs, ["amcons"])[0]
    counts, test = at_thresholds(run), ScoreHistogram.load(run.folder / "test.npz")
    assert counts is not None
    for k in (0, len(counts.values) // 2, -1):
        for scan, tp, fp in zip(counts.scans, counts.tp[:, k], counts.fp[:, k], strict=True):
            truth = confusion(test.scan(scan), counts.values[k])
            assert (tp, fp) == (truth.tp, truth.fp)
    assert (np.diff(counts.marked) <= 0).all()


def test_precision_recall_has_the_area_of_the_average_precision(runs: Path, pooled) -> None:
    recall, precision = line(precision_recall(runs))
    area = -np.trapezoid(precision, recall)
    assert area == pytest.approx(average_precision(pooled).value, abs=0.02)


def test_roc_goes_from_corner_to_corner(runs: Path) -> None:
    x, y = line(roc(runs))
    assert (x[0], y[0]) == (1, 1)
    assert (x[-1], y[-1]) == pytest.approx((0, 0), abs=0.02)
    assert (np.diff(x) <= 0).all() and (np.diff(y) <= 0).all()


def test_the_top_of_the_sensitivity_is_the_best_dice(runs: Path, pooled) -> None:
    _, dice = line(sensitivity(runs))
    assert dice.max() == pytest.approx(best_dice(pooled).dice, abs=0.01)


def test_each_scan_with_a_lesion_has_a_mark_at_its_volume(runs: Path) -> None:
    figure = volumes(runs)
    scans = load_scans(runs)
    own = scans[(scans["method"] == "vae") & (scans["lesion_ml"] > 0)].sort_values("lesion_ml")
    marks = [one.get_xydata() for one in figure.axes[0].lines if one.get_linestyle() == "None"]
    assert any(np.allclose(mark, own[["lesion_ml", "dice@val_op"]]) for mark in marks)
    with pytest.raises(PipelineError, match="unknown threshold 'p50'; available: val_op, p90"):
        volumes(runs, "p50")


def test_under_shift_each_method_has_its_mean_of_each_change_in_the_order_of_the_unchanged(own_runs: Path) -> None:
    with pytest.raises(PipelineError, match="no run of .* was measured on changed images; `lesionless examine "):
        shifts(own_runs)
    found = {("amcons", 0): (0.6, 0.2), ("amcons", 1): (0.8, 0.3), ("intensity", 0): (0.5, 0.5), ("vae", 0): (0.4, 0.1)}
    for (method, seed), values in found.items():
        rows = {"method": method, "seed": seed, "shift": ["none", "blur"], "auprc": 0.0, "scan_ap": values}
        pd.DataFrame(rows).to_csv(own_runs / method / f"seed-{seed}" / "shifts.csv", index=False)
    os.utime(own_runs / "vae/seed-0/shifts.csv", (0, 0))  # of an earlier evaluation
    [axes] = shifts(own_runs).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Intensity, floor", "AMCons"]
    drawn = {one.get_label(): one.get_xydata().tolist() for one in axes.lines}
    assert drawn.pop("as they are") == [] and drawn.pop("blur") == [[0.5, 0], [0.25, 1]]
    assert list(drawn.values()) == [[[0.5, 0], [pytest.approx(0.7), 1]]]


def test_radiological_pictures_are_mirrored_and_say_so(runs: Path) -> None:
    choice = {"scans": ["sub-lesion01", "sub-lesion03"], "methods": ["vae"]}
    for convention, sides, mirrored in (("neurological", "LR", False), ("radiological", "RL", True)):
        axes = montage(runs, convention=convention, **choice).axes[:8]
        letters = ["".join(t.get_text() for t in ax.texts if t.get_text() in ("L", "R")) for ax in axes]
        assert letters == [sides, "", "", ""] * 2
        assert {ax.xaxis_inverted() for ax in axes} == {mirrored}
    with pytest.raises(PipelineError, match="unknown convention 'medical'; available: neurological, radiological"):
        montage(runs, convention="medical", **choice)


def test_a_method_has_one_colour_range_whatever_scans_are_chosen_and_the_worst_is_marked(runs: Path) -> None:
    scans, [run] = load_scans(runs), find_runs(runs, ["vae"])
    both = ["sub-lesion01", "sub-lesion05"]
    figure = montage(runs, scans=both, methods=["vae"])
    other = montage(runs, scans=["sub-lesion03"], methods=["vae"])
    assert {f.axes[2].images[0].norm.vmax for f in (figure, other)} == {max(colour_range(run))}
    dice = scans[scans["method"] == "vae"].set_index("scan").loc[both, "dice@val_op"]
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert [text.split()[0] for text in texts if "the worst of these" in text] == [dice.idxmin()]
    assert not [text for text in texts if text.startswith("Dice")]


def test_reconstructions_beside_their_image(own_runs: Path) -> None:
    image = nib.load(own_runs / "reference" / "sub-lesion01_image.nii.gz")
    for path in (own_runs / "reference").glob("*_image.nii.gz"):
        target = own_runs / "vae/seed-0/maps" / path.name.replace("image", "reconstruction")
        nib.save(nib.Nifti1Image(nib.load(path).get_fdata(dtype=np.float32) / 2, image.affine), target)
    row = reconstructions(own_runs, "vae").axes[4:8]  # the second; the first has no lesion
    np.testing.assert_allclose(row[1].images[0].get_array() * 2, row[0].images[0].get_array(), atol=1e-6)
    with pytest.raises(PipelineError, match="'amcons' kept no reconstructions.*available: vae"):
        reconstructions(own_runs, "amcons")


def test_a_sweep_keeps_settings_that_differ_in_more_apart() -> None:
    table = pd.DataFrame({"method": "vae", "beta": [1.0, 10.0, 1.0], "auprc": [0.1, 0.2, 0.3], "auprc_sd": 0.01})
    assert sweep(table, "beta").axes[0].lines[0].get_linestyle() == "None"
    assert sweep(table.iloc[:2], "beta").axes[0].lines[0].get_linestyle() == "-"
    with pytest.raises(PipelineError, match="unknown column 'gamma'; available: beta, auprc"):
        sweep(table, "gamma")


def test_every_figure_comes_as_vector_and_png_and_what_cannot_be_drawn_says_why(
    two_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.report.figures.DPI", 40)
    (two_runs / "amcons" / "seed-0" / "calibration.npz").unlink()
    (two_runs / "intensity" / "seed-0" / "calibration.npz").unlink()
    out = tmp_path / "figures"
    done = CliRunner().invoke(app, ["report", str(two_runs), "--figures", str(out), "--convention", "radiological"])
    assert done.exit_code == 0, done.output
    assert "score_distributions: no run of" in done.output
    names = {path.stem for path in out.iterdir()}
    assert {"precision_recall", "roc", "dice_by_lesion_volume", "qualitative_amcons"} <= names
    assert {path.name for path in out.iterdir()} == {f"{name}.{kind}" for name in names for kind in ("pdf", "png")}
    assert "the right" in (two_runs / "report.html").read_text()
