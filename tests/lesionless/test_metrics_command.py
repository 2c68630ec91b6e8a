from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
import typer
from sklearn.metrics import average_precision_score
from typer.testing import CliRunner

from lesionless.metrics import metrics
from lesionless.scan_files import binarise, find_images, pair, read
from pipeline.errors import PipelineError
from pipeline.metrics import ScoreHistogram, fixed, percentile, save_thresholds, summarise
from preprocessing.errors import PreprocessingError

SHAPE = (12, 10, 6)
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
ROLES = {"maps": "_anomaly", "reference": "_lesion", "brains": "_support"}


def write(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE, kind: Any = np.float32) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data.astype(np.uint8 if data.dtype == bool else kind), affine), path)
    return path


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Four scans in the layout that the pipeline writes, one of them without a lesion."""
    for i in range(4):
        rng = np.random.default_rng(i)
        lesion, brain = rng.random(SHAPE) < 0.1 * (i > 0), rng.random(SHAPE) < 0.8
        write(tmp_path / f"maps/sub-{i}_anomaly.nii.gz", rng.random(SHAPE) + 0.4 * lesion)
        write(tmp_path / f"reference/sub-{i}_lesion.nii.gz", lesion)
        write(tmp_path / f"reference/sub-{i}_support.nii.gz", brain)
        write(tmp_path / f"reference/sub-{i}_image.nii.gz", rng.random(SHAPE))
    return tmp_path


def call(*arguments: object) -> str:
    """Output of the command, which raises what goes wrong."""
    app = typer.Typer()
    app.command()(metrics)
    return (
        CliRunner()
        .invoke(app, [str(argument) for argument in arguments], catch_exceptions=False, env={"COLUMNS": "200"})
        .output
    )


def test_figures_equal_those_of_the_pixels(scans: Path) -> None:
    output = call(scans / "maps", scans / "reference", "--brain", scans / "reference", "--out", scans / "out")
    pixels = [read(files) for files in pair(*(scans / name for name in ("maps", "reference", "reference")))]
    lesion, scores = (np.concatenate([getattr(s, n)[s.support] for s in pixels]) for n in ("lesion", "scores"))
    row = pd.read_csv(scans / "out" / "metrics.csv").iloc[0]
    assert row["auprc_lower"] <= average_precision_score(lesion, scores) <= row["auprc_upper"]
    assert (row["support"], row["n_scans"], row["n_empty_scans"]) == ("brain", 4, 1)
    assert f"{row['auprc']:.4f}" in output
    assert "oracle" in output
    table = pd.read_csv(scans / "out" / "scans.csv")
    assert table["scan"].tolist() == [f"sub-{i}" for i in range(4)]
    assert table["lesion_ml"].iloc[1] == pytest.approx((pixels[1].lesion & pixels[1].support).sum() * 12 / 1000)


def test_figures_equal_those_of_the_pipeline_with_its_thresholds(scans: Path) -> None:
    reference = scans / "reference"
    call(scans / "maps", reference, "--brain", reference, "--out", scans / "first")
    test = ScoreHistogram.load(scans / "first" / "histogram.npz")
    rules = [percentile(test.select(["sub-0"]), 95), fixed(0.5)]
    saved = save_thresholds(scans / "thresholds.json", rules)
    call(scans / "maps", reference, "--brain", reference, "--thresholds", saved, "--out", scans / "second")
    row = pd.read_csv(scans / "second" / "metrics.csv").iloc[0]
    for name, value in summarise(test, rules).items():
        assert row[name] == pytest.approx(value, nan_ok=True), name


def test_more_bits_narrow_the_bounds(scans: Path) -> None:
    widths = []
    for bits in (12, 22):
        call(scans / "maps", scans / "reference", "--bits", bits, "--out", scans / "out")
        row = pd.read_csv(scans / "out" / "metrics.csv").iloc[0]
        widths.append(row["auprc_upper"] - row["auprc_lower"])
    assert widths[1] < widths[0] / 100


def test_sites_are_pooled_from_their_histograms(scans: Path) -> None:
    files = []
    for name, ids in (("north", (0, 1)), ("south", (2, 3))):
        for i in ids:
            (scans / name).mkdir(exist_ok=True)
            (scans / f"maps/sub-{i}_anomaly.nii.gz").rename(scans / f"{name}/sub-{i}_anomaly.nii.gz")
        call(scans / name, scans / "reference", "--out", scans / name / "out")
        files.append((scans / name / "out" / "histogram.npz").rename(scans / f"{name}.npz"))
    output = call("--merge", *files, "--out", scans / "pooled")
    assert "4 scans, 1 without lesion; support: frame" in output
    assert ScoreHistogram.load(scans / "pooled" / "histogram.npz").scans == [f"sub-{i}" for i in range(4)]
    call("--merge", *files, "--by-site", "--out", scans / "named")
    assert ScoreHistogram.load(scans / "named" / "histogram.npz").scans[0] == "north/sub-0"


def test_lesion_wise_figures_and_another_method(scans: Path) -> None:
    arguments = scans / "maps", scans / "reference", "--threshold", 0.9
    call(*arguments, "--out", scans / "out")
    output = call(*arguments, "--lesion-wise", "--against", scans / "out" / "histogram.npz", "--out", scans / "out")
    row = pd.read_csv(scans / "out" / "metrics.csv").iloc[0]
    assert 0 < row["lesion_recall@0.9"] <= 1
    assert row["hd@0.9"] >= row["hd95@0.9"] > 0
    assert "lesion F1" in output
    assert "average precision less that of histogram.npz: +0.0000" in output


def test_normals_need_no_labels_and_give_thresholds(scans: Path) -> None:
    assert "undefined" in call(scans / "maps" / "sub-0_anomaly.nii.gz", "--out", scans / "normals")
    output = call(scans / "maps", scans / "reference", "--normals", scans / "normals" / "histogram.npz")
    assert all(rule in output for rule in ("p90", "p95", "p98", "healthy_fpr"))


def test_single_files_pair_whatever_their_names(scans: Path) -> None:
    label = (scans / "reference/sub-1_lesion.nii.gz").rename(scans / "truth.nii.gz")
    output = call(scans / "maps/sub-1_anomaly.nii.gz", label)
    assert "1 scans" in output
    assert "one patient: no interval" in output


# file name, role -> scan id
NAMES = [
    ("sub-1_anomaly.nii.gz", "map", "sub-1"),
    ("sub-1.nii", "map", "sub-1"),
    ("sub-1_ses-2_space-SRI24_label-lesion_mask.nii.gz", "label", "sub-1_ses-2"),
    ("sub-1_space-SRI24_desc-brain_mask.nii.gz", "brain", "sub-1"),
    ("sub-1_seg.nii.gz", "label", "sub-1"),
    ("mask.nii.gz", "brain", "mask"),
]


@pytest.mark.parametrize(("name", "role", "scan"), NAMES)
def test_scan_id_of_a_file(tmp_path: Path, name: str, role: str, scan: str) -> None:
    write(tmp_path / name, np.zeros(SHAPE))
    assert [*find_images(tmp_path, role)] == [scan]


LABEL = Path("label.nii")
RULES = [("0/1", [0, 1, 1], [0, 1, 1]), ("positive", [-1, 0, 3], [0, 0, 1]), ("1,4", [1, 2, 4], [1, 0, 1])]


@pytest.mark.parametrize(("rule", "label", "lesion"), RULES)
def test_label_rules(rule: str, label: list[int], lesion: list[int]) -> None:
    for values in (np.array(label), np.array(label) * 0.9999999):  # as scaled integers read
        assert binarise(values, rule, LABEL).tolist() == [bool(value) for value in lesion]


def test_positive_fractions_are_probabilities() -> None:
    assert binarise(np.array([0, 0.2, 0.5, 1]), "positive", LABEL).tolist() == [False, False, True, True]


def test_bad_labels_are_refused() -> None:
    with pytest.raises(PipelineError, match="label.nii has values other than 0 and 1: 0.5, 2.0; state a rule"):
        binarise(np.array([0, 1, 2, 0.5]), "0/1", LABEL)
    with pytest.raises(PipelineError, match="unknown label rule 'all'; choose 0/1, positive"):
        binarise(np.zeros(2), "all", LABEL)
    with pytest.raises(PipelineError, match="label.nii has values other than whole numbers: 0.5"):
        binarise(np.array([0, 1, 4, 0.5]), "1,4", LABEL)


def test_nan_in_a_label_is_refused() -> None:
    with pytest.raises(PipelineError, match="other than 0 and 1: nan"):
        binarise(np.array([0, np.nan]), "0/1", LABEL)


@pytest.mark.parametrize(
    ("shape", "affine", "text"),
    [
        ((12, 10, 5), AFFINE, r"sub-1_lesion.nii.gz: shape \(12, 10, 5\) is not the shape \(12, 10, 6\) of sub-1_anom"),
        (SHAPE, np.diag([2, 2, 2.5, 1]), r"sub-1_lesion.nii.gz: its affine is 2.5 mm away .*; resample one onto the"),
    ],
)
def test_another_grid_is_refused(scans: Path, shape: tuple[int, ...], affine: np.ndarray, text: str) -> None:
    write(scans / "reference/sub-1_lesion.nii.gz", np.zeros(shape), affine)
    with pytest.raises(PreprocessingError, match=text):
        call(scans / "maps", scans / "reference")


def as_floats(values: np.ndarray) -> np.ndarray:
    return np.where(values, 0.9999, 1e-6)


def test_what_is_stored_otherwise_gives_the_same_figures(scans: Path) -> None:
    """A trailing axis, another order of axes, an origin that was rounded, masks as resampled fractions."""
    maps, reference = scans / "maps", scans / "reference"
    call(maps, reference, "--brain", reference, "--out", scans / "plain")
    for i, file in enumerate(sorted(maps.iterdir())):
        array = np.asarray(nib.load(file).dataobj)
        if i % 2:
            write(file, array[..., None])
        else:
            moved = AFFINE @ np.array([[-1, 0, 0, SHAPE[0] - 1], [0, 1, 0, 0.02], [0, 0, 1, 0], [0, 0, 0, 1]])
            write(file, array[::-1], moved)
    for file in reference.glob("*_support.nii.gz"):
        write(file, as_floats(np.asarray(nib.load(file).dataobj) > 0))
    call(maps, reference, "--brain", reference, "--out", scans / "other")
    plain, other = (pd.read_csv(scans / name / "metrics.csv") for name in ("plain", "other"))
    pd.testing.assert_frame_equal(plain, other)


def test_missing_and_broken_files_are_refused(scans: Path) -> None:
    with pytest.raises(PipelineError, match="map '.*none' does not exist"):
        call(scans / "none", scans / "reference")
    with pytest.raises(PipelineError, match="give MAPS and LABELS"):
        call(scans / "maps", scans / "maps", scans / "maps")
    (scans / "reference/sub-2_lesion.nii.gz").unlink()
    with pytest.raises(PipelineError, match="no label in '.*reference' for sub-2; found: sub-0"):
        call(scans / "maps", scans / "reference")
    (scans / "maps/sub-3_anomaly.nii.gz").write_bytes(b"no image")
    with pytest.raises(PreprocessingError, match="sub-3_anomaly.nii.gz: unreadable or truncated .* not compressed"):
        call(scans / "maps")
    (scans / "empty").mkdir()
    with pytest.raises(PipelineError, match="map folder '.*empty' has no .nii"):
        call(scans / "empty")
    write(scans / "maps/again/sub-0_anomaly.nii.gz", np.zeros(SHAPE))
    with pytest.raises(PipelineError, match="map of scan 'sub-0' comes twice"):
        call(scans / "maps")


def test_nan_empty_support_and_volumes_are_refused_by_scan(scans: Path) -> None:
    write(scans / "reference/sub-0_support.nii.gz", np.zeros(SHAPE))
    with pytest.raises(PipelineError, match="scan 'sub-0' has an empty support"):
        call(scans / "maps", scans / "reference", "--brain", scans / "reference")
    write(scans / "maps/sub-0_anomaly.nii.gz", np.full(SHAPE, np.nan))
    with pytest.raises(PipelineError, match="scan 'sub-0' has NaN"):
        call(scans / "maps", scans / "reference")
    write(scans / "maps/sub-0_anomaly.nii.gz", np.zeros((*SHAPE, 2)))
    with pytest.raises(PreprocessingError, match=r"shape \(12, 10, 6, 2\) of float32 is not one 2- or 3-D volume"):
        call(scans / "maps", scans / "reference")
    write(scans / "maps/sub-0_anomaly.nii.gz", np.zeros(SHAPE, np.complex64), kind=np.complex64)
    with pytest.raises(PreprocessingError, match="sub-0_anomaly.nii.gz: .*; it is complex, give its magnitude"):
        call(scans / "maps", scans / "reference")


def test_files_that_are_not_there_or_do_not_fit(scans: Path) -> None:
    maps = scans / "maps", scans / "reference"
    for option in ("--thresholds", "--normals", "--against"):
        with pytest.raises(PipelineError, match="none.npz' do(es)? not exist"):
            call(*maps, option, scans / "none.npz")
    call(*maps, "--out", scans / "out")
    with pytest.raises(PipelineError, match="--lesion-wise needs the maps"):
        call("--merge", scans / "out" / "histogram.npz", "--lesion-wise")


def test_thresholds_of_another_support_name_the_cure_which_works(scans: Path) -> None:
    learnt = ScoreHistogram(support="brain eroded 3.2 mm")
    learnt.update(torch.rand(2, 1, 8, 8), None, None, ["sub-a", "sub-b"])
    saved = save_thresholds(scans / "thresholds.json", [percentile(learnt, 90)])
    words = (scans / "maps", scans / "reference", "--brain", scans / "reference", "--thresholds", saved)
    with pytest.raises(PipelineError, match='say so: --support "brain eroded 3.2 mm"$'):
        call(*words)
    assert "support: brain eroded 3.2 mm" in call(*words, "--support", "brain eroded 3.2 mm")
