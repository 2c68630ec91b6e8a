"""What counts as lesion is stated, and nothing of it is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from preprocessing.config import build, load_config
from preprocessing.errors import PreprocessingError
from preprocessing.io.labels import SelectLesiond
from preprocessing.io.nifti import load_volume
from preprocessing.scan import Scan
from preprocessing.space.grid import Volume
from preprocessing.space.resampling import label_to_grid

PATH = Path("label.nii.gz")
CLASSES = np.random.default_rng(0).choice([0, 1, 2, 4], (12, 12, 12), p=(0.7, 0.1, 0.1, 0.1)).astype(np.float32)
EYE = np.eye(4)


def selected(label: np.ndarray, brain: np.ndarray | None = None, **settings: Any) -> dict[Any, Any]:
    settings = {"values": "any", "background": [0], "probability": 0.5, "inside": 0.7, **settings}
    brain = np.ones_like(label) if brain is None else brain
    scan = Scan("sub-a", "sub-a", "FLAIR", Path("scan.nii.gz"), lesion=PATH)
    tensors = {key: MetaTensor(torch.from_numpy(np.float32(value))[None]) for key, value in
               (("lesion", label), ("brain", brain))}  # fmt: skip
    return SelectLesiond(**settings)({"scan": scan, **tensors})


@pytest.mark.parametrize(
    ("rule", "lesion"),
    [
        ({"values": "any"}, CLASSES > 0),
        ({"values": [1, 2, 4]}, CLASSES > 0),
        ({"values": [4], "background": [0, 1, 2]}, CLASSES == 4),
        ({"values": [1, 4], "background": [0, 2]}, np.isin(CLASSES, (1, 4))),
    ],
)
def test_the_rule_says_what_is_lesion(rule: dict[str, Any], lesion: np.ndarray) -> None:
    found = selected(CLASSES, **rule)["lesion"][0].numpy()
    np.testing.assert_array_equal(found, np.where(lesion, CLASSES, 0))


def test_a_probability_is_lesion_from_its_threshold_on() -> None:
    label = np.random.default_rng(1).random((9, 9, 9)).astype(np.float32)
    np.testing.assert_array_equal(selected(label)["lesion"][0].numpy(), label >= 0.5)
    np.testing.assert_array_equal(selected(label, probability=0.9)["lesion"][0].numpy(), label >= np.float32(0.9))


def test_rounding_of_scaled_integers_makes_no_probability() -> None:
    np.testing.assert_array_equal(selected(CLASSES * 0.99999)["lesion"][0].numpy(), CLASSES)


@pytest.mark.parametrize(
    ("label", "rule", "message"),
    [
        (CLASSES, {"values": [1, 2]}, r"label value 4; lesion is 1, 2, background 0"),
        (CLASSES - 1, {}, r"label value -1; lesion is whole numbers above 0, background 0"),
        (CLASSES / 3, {}, r"fractions from 0 to 1\.33333; a mask has whole numbers or prob"),
    ],
)
def test_values_that_no_rule_names_are_refused(label: np.ndarray, rule: dict[str, Any], message: str) -> None:
    with pytest.raises(PreprocessingError, match=r"label\.nii\.gz: .*" + message):
        selected(label, **rule)


def test_an_unknown_rule_is_refused_when_the_steps_are_built() -> None:
    config = load_config("base", {})
    config["lesion"]["values"] = "all"
    with pytest.raises(PreprocessingError, match=r"lesion values 'all' must be 'any' or a list of whole numbers"):
        build(config, "lesion")


def test_the_wmh_challenge_counts_other_pathology_as_background() -> None:
    config, base = load_config("wmh2017", {}), load_config("base", {})
    assert {key for key in config if config[key] != base[key]} == {"lesion"}
    rule = {key: value for key, value in config["lesion"].items() if key != "_target_"}
    label = np.where(CLASSES == 4, 0, CLASSES)
    np.testing.assert_array_equal(selected(label, **rule)["lesion"][0].numpy(), label == 1)


@pytest.mark.shared
def test_a_real_label_fits_its_own_brain_and_not_one_that_the_lesion_lies_beside(shared_data: Path) -> None:
    cases = {name: shared_data / "brats2015" / f"brats_2013_{name}_1" for name in ("pat0005", "pat0006")}
    label, brain, other = (
        load_volume(Path(f"{cases[name]}_{part}.nii.gz"))[0]
        for name, part in (("pat0005", "OTMultiClass"), ("pat0005", "brainmask"), ("pat0006", "brainmask"))
    )
    assert selected(label, brain > 0)["checks"]["lesion_inside"] == 1
    with pytest.raises(PreprocessingError, match=r"0\.06 of the lesion is inside the brain, at least 0\.7 must be"):
        selected(label, other > 0)


def test_a_lesion_outside_the_brain_is_the_label_of_another_scan() -> None:
    label, brain = np.zeros((10, 10, 10)), np.zeros((10, 10, 10))
    label[2:6], brain[4:] = 1, 1
    with pytest.raises(PreprocessingError, match=r"label\.nii\.gz: 0\.50 of the lesion is inside the brain, at least"):
        selected(label, brain)
    assert selected(label, brain, inside=0.5)["checks"]["lesion_inside"] == 0.5


def test_components_touch_by_corners_and_an_empty_label_has_none() -> None:
    label = np.zeros((10, 10, 10))
    label[1, 1, 1] = label[2, 2, 2] = label[5, 5, 5] = 1
    assert selected(label)["checks"] == {"lesion_inside": 1.0, "lesion_components": 2}
    assert selected(label * 0)["checks"] == {"lesion_inside": 1.0, "lesion_components": 0}


def test_a_scan_without_a_label_passes() -> None:
    assert SelectLesiond("any", [0], 0.5, 0.7)({"image": 1}) == {"image": 1}


def test_the_rim_is_eroded_in_each_slice_where_asked() -> None:
    label = np.zeros((9, 9, 3))
    label[1:8, 1:8, 1:] = 1
    kept = np.zeros((9, 9, 3))
    kept[3:6, 3:6, 1:] = 1
    np.testing.assert_array_equal(selected(label, erode=2)["lesion"][0].numpy(), kept)


def test_every_value_arrives_or_the_scan_fails() -> None:
    label = Volume(CLASSES, np.diag([0.5, 0.5, 0.5, 1]))
    same = Volume(CLASSES * 0, label.affine)
    moved, volumes = label_to_grid(PATH, label, EYE, same)
    np.testing.assert_array_equal(moved, CLASSES > 0)
    assert volumes == {key: round((CLASSES > 0).sum() / 8000, 3) for key in ("lesion_ml_native", "lesion_ml")}
    coarse = Volume(np.zeros((6, 6, 6)), np.eye(4))
    small = CLASSES * (CLASSES < 4)
    small[3, 3, 3] = 4  # between the voxels that the coarse grid looks at
    with pytest.raises(
        PreprocessingError, match=r"label\.nii\.gz: the 1 voxels of label value 4 are lost on the atlas"
    ):
        label_to_grid(PATH, Volume(small, label.affine), np.diag([2.0, 2, 2, 1]), coarse)
