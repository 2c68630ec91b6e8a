"""Pictures: which way up, which scans, and masks that are the map at the stated threshold."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pipeline.data import SliceDataset
from pipeline.errors import PipelineError
from pipeline.report import montage
from pipeline.report.pictures import threshold_value
from pipeline.report.results import find_runs
from pipeline.report.views import View, anomaly_map, field, lesion_scans, upright, view


def test_front_is_up_and_right_is_right() -> None:
    volume = np.zeros((6, 8, 2))
    volume[5, 7, 1] = 1
    picture = upright(volume, 1)
    assert picture.shape == (8, 6)
    assert picture[0, 5] == 1


def test_the_slice_with_the_largest_lesion_is_shown(runs: Path) -> None:
    seen = view(runs, "sub-lesion01")
    lesion = nib.load(runs / "reference" / "sub-lesion01_lesion.nii.gz").get_fdata() > 0
    assert seen.lesion.sum() == lesion.sum(axis=(0, 1)).max()
    assert seen.lesion_ml == pytest.approx(lesion.sum() * 2.5 * 2.5 * 3.0 / 1000)


def test_scans_are_spread_over_volumes_from_the_largest_to_the_smallest(runs: Path) -> None:
    everything, three = lesion_scans(runs, count=99), lesion_scans(runs, count=3)
    volumes = [view(runs, scan).lesion_ml for scan in everything]
    assert volumes == sorted(volumes, reverse=True)
    assert min(volumes) > 0
    assert three == [everything[0], everything[2], everything[4]]


def test_prepared_dataset_and_kept_reference_show_the_same(tiny_dataset: Path, tmp_path: Path) -> None:
    slices = SliceDataset(tiny_dataset, "test")
    start, stop = slices.items[0]["rows"]
    affine = np.diag([*slices.spacing, 1.0, 1.0])
    (tmp_path / "reference").mkdir()
    for kind, source in {"image": "image", "lesion": "lesion", "support": "brain"}.items():
        volume = np.moveaxis(slices.arrays[source][start:stop], 0, -1)
        nib.save(nib.Nifti1Image(volume, affine), tmp_path / "reference" / f"sub-test0_{kind}.nii.gz")
    ours, theirs = view(tmp_path, "sub-test0"), view(tmp_path, "sub-test0", tiny_dataset)
    assert ours.z == theirs.z
    assert ours.lesion_ml == pytest.approx(theirs.lesion_ml)
    for name in ("image", "lesion", "support"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


def test_montage_has_two_columns_and_two_more_a_method(runs: Path) -> None:
    figure = montage(runs, scans=["sub-lesion01", "sub-lesion02"], methods=["vae", "intensity"])
    assert len(figure.axes) == 2 * (2 + 2 * 2) + 2
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert [text for text in texts if text.endswith("\nmap")] == ["VAE\nmap", "Intensity\nmap"]
    assert [text for text in texts if "sub-lesion" in text][1].startswith("sub-lesion02")


@pytest.mark.parametrize("rule", ["val_op", "p98"])
def test_mask_is_the_map_at_the_threshold_within_the_support(runs: Path, rule: str) -> None:
    figure = montage(runs, scans=["sub-lesion01"], methods=["amcons"], threshold=rule)
    drawn = figure.axes[3].images[1].get_array()
    [run] = [run for run in find_runs(runs, ["amcons"]) if run.seed == 0]
    seen, scores = view(runs, "sub-lesion01"), anomaly_map(run, "sub-lesion01")
    expected = (upright(scores, seen.z) >= threshold_value(run, rule)) & seen.support
    assert expected.any()
    np.testing.assert_array_equal(~np.ma.getmaskarray(drawn), expected[field([seen])])


def test_colour_scale_is_stated_and_holds_the_threshold(runs: Path) -> None:
    figure = montage(runs, scans=["sub-lesion01", "sub-lesion05"], methods=["vae"])
    value = threshold_value(find_runs(runs, ["vae"])[0], "val_op")
    bar = figure.axes[-1]
    low, high = bar.get_xlim()
    assert low <= value <= high
    assert {ax.images[0].norm.vmax for ax in (figure.axes[2], figure.axes[6])} == {high}
    assert [label.get_text() for label in bar.get_xticklabels()] == [f"{low:.3g}", f"{high:.3g}"]


def test_constant_maps_missing_maps_and_healthy_scans_are_drawn(own_runs: Path) -> None:
    maps = own_runs / "vae" / "seed-0" / "maps"
    constant = nib.Nifti1Image(np.full((32, 32, 4), 0.1, np.float32), np.eye(4))
    for scan in ("sub-lesion01", "sub-healthy01"):
        nib.save(constant, maps / f"{scan}_anomaly.nii.gz")
    (maps / "sub-lesion02_anomaly.nii.gz").unlink()
    figure = montage(own_runs, scans=["sub-lesion01", "sub-lesion02", "sub-healthy01"], methods=["vae"])
    figure.canvas.draw()
    assert "no map kept" in [text.get_text() for text in figure.axes[6].texts]


def test_field_is_square_and_inside_the_frame() -> None:
    support = np.zeros((20, 30), bool)
    support[0:10, 20:30] = True
    seen = View("a", 0, np.zeros(support.shape), support, support, 1.0)
    rows, columns = field([seen])
    assert (rows, columns) == (slice(0, 14), slice(16, 30))
    empty = View("a", 0, np.zeros((4, 5)), np.zeros((4, 5), bool), np.zeros((4, 5), bool), 0.0)
    assert field([empty]) == (slice(0, 4), slice(0, 5))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"scans": ["sub-x"]}, "no test scan 'sub-x'.*available: sub-healthy01, sub-healthy02, sub-lesion01"),
        ({"methods": ["x"]}, "no results of method 'x'.*available: amcons"),
        ({"threshold": "p50"}, "no threshold 'p50'.*available: val_op, p90, p95, p98"),
        ({"scans": []}, "at least one scan"),
    ],
)
def test_unknown_choices_are_refused(runs: Path, choice: dict, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        montage(runs, **choice)


def test_unknown_scan_of_a_prepared_dataset_is_refused(runs: Path, tiny_dataset: Path) -> None:
    with pytest.raises(PipelineError, match="no test scan 'sub-x'.*available: sub-test0"):
        montage(runs, dataset=tiny_dataset, scans=["sub-x"])


def test_only_healthy_test_scans_are_no_montage(own_runs: Path) -> None:
    for path in (own_runs / "reference").glob("sub-lesion*"):
        path.unlink()
    with pytest.raises(PipelineError, match="no test scan with a lesion"):
        montage(own_runs)
