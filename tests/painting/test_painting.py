"""Laws of the lesions that are painted on slices without one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_erosion, gaussian_filter, laplace

from pipeline.data import normal_slices
from pipeline.engines import PreparePaintedSlices
from pipeline.errors import PipelineError
from pipeline.painting import Acquisition, Neighbours, PaintedLesions
from pipeline.painting.acquisition import less_sharp, push
from pipeline.painting.kinds import KINDS, SHARES, Canvas
from pipeline.painting.poisson import seamless
from pipeline.painting.shapes import NoiseFields, blob, follow_tissue, one_side

SIZE = 32


@pytest.fixture(scope="module")
def neighbours(tiny_dataset: Path) -> Neighbours:
    return Neighbours(normal_slices(tiny_dataset))


@pytest.fixture(scope="module")
def lesions(neighbours: Neighbours) -> PaintedLesions:
    return PaintedLesions(neighbours, SIZE, spacing_mm=7.5)


def _slice(neighbours: Neighbours) -> tuple[np.ndarray, np.ndarray]:
    return neighbours._slice(3)


def test_shares_are_those_of_the_kinds_and_sum_to_one() -> None:
    assert set(SHARES) < set(KINDS) and sum(SHARES.values()) == pytest.approx(1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_leaves_what_its_mask_leaves_out(kind: str) -> None:
    rng = np.random.default_rng(0)
    image, mask = rng.uniform(0.2, 0.6, (SIZE, SIZE)), np.zeros((SIZE, SIZE))
    mask[8:20, 8:20] = 1
    depth = np.where(mask > 0, 4.0, -4.0)
    canvas = Canvas(image, mask, depth, rng.standard_normal(image.shape), rng.uniform(0, 1, image.shape))
    painted = KINDS[kind](rng, canvas)
    assert np.array_equal(painted[mask == 0], image[mask == 0])
    assert np.abs(painted - image)[mask == 1].mean() > 0.02
    bright = painted[mask == 1].mean() > image[mask == 1].mean()
    assert bright or kind not in ("bright", "smeared", "foreign", "plateau")


def test_a_label_lies_where_the_image_changed_and_is_not_given_for_what_cannot_be_seen(
    neighbours: Neighbours,
) -> None:
    painter = PaintedLesions(neighbours, SIZE, spacing_mm=7.5, edited=0.0)
    image, brain = _slice(neighbours)
    labelled = 0
    for seed in range(40):
        painted = painter(np.random.default_rng(seed), image, brain, 60, "sub-train1")
        changed = np.abs(painted.image - image * brain)
        assert painted.label.min() >= 0 and painted.label.max() <= 1 and not painted.label[~brain].any()
        assert changed[painted.label < 1e-4].max(initial=0) < 0.01, "what is not labelled is as it was"
        assert painted.image[brain].min() > 0, "the brain stays where the image is positive"
        labelled += painted.label.max() > 0.5
    assert 24 < labelled < 40, "most slices get a lesion, some none"


def test_edits_change_the_image_and_have_no_label(neighbours: Neighbours) -> None:
    painter = PaintedLesions(neighbours, SIZE, spacing_mm=7.5, edited=1.0)
    image, brain = _slice(neighbours)
    seen = [painter(np.random.default_rng(seed), image, brain, 60, "sub-train1") for seed in range(60)]
    alone = [painted for painted in seen if painted.centre is None]
    assert alone and all(not painted.label.any() for painted in alone)
    assert any(np.abs(painted.image - image * brain).max() > 0.01 for painted in alone)


def test_a_seamless_patch_is_harmonic_beside_the_foreign_tissue() -> None:
    rng = np.random.default_rng(0)
    image, foreign = rng.uniform(size=(2, 20, 20))
    inside = np.hypot(*(np.mgrid[:20, :20] - 9.5)) < 6
    found = seamless(image, foreign, inside)
    assert np.array_equal(found[~inside], image[~inside])
    np.testing.assert_allclose(laplace(found)[inside], laplace(foreign)[inside], atol=1e-9)
    assert np.array_equal(seamless(image, foreign, np.zeros_like(inside)), image)


def test_an_unknown_kind_is_refused_with_the_choices(neighbours: Neighbours) -> None:
    with pytest.raises(PipelineError, match="unknown kind of painted lesion 'bleed'; available: bright, shifted"):
        PaintedLesions(neighbours, SIZE, 7.5, shares={"bleed": 1.0})


def test_neighbours_come_from_other_scans_of_about_the_same_height(neighbours: Neighbours) -> None:
    rng = np.random.default_rng(0)
    own = {
        neighbours.slices.arrays["image"][row].tobytes() for row in neighbours.rows[neighbours.scans == "sub-train0"]
    }
    for _ in range(30):
        image = neighbours.same_place(rng, 70, "sub-train0").image
        assert image.tobytes() not in own and image[::-1].tobytes() not in own


def test_a_blob_is_as_large_as_its_radius_says() -> None:
    rng = np.random.default_rng(0)
    flat = np.zeros((128, 128))
    areas = [(blob(rng, 128, (64, 64), 12.0, flat) > 0).sum() for _ in range(60)]
    assert np.median(areas) == pytest.approx(np.pi * 12**2, rel=0.25)


def test_noise_fields_have_mean_0_and_deviation_1() -> None:
    field = NoiseFields(64, (1.0, 4.0)).draw(np.random.default_rng(0), nearest=1.0)
    assert field.std() == pytest.approx(1, abs=1e-3) and abs(field.mean()) < 0.1


def test_half_a_brain_stays_free_of_a_lesion_beyond_the_midline() -> None:
    half = one_side(np.random.default_rng(0), SIZE, row=25)[:, 0]
    assert half[:12].max() < 0.01 and half[-8:].min() > 0.99


def test_a_border_that_follows_the_tissue_moves_by_5_px_at_most() -> None:
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 1, (64, 64))
    depth = blob(rng, 64, (32, 32), 14.0, np.zeros((64, 64)))
    moved = follow_tissue(rng, depth, image) - depth
    assert 0 < np.abs(moved).max() <= 5


def test_an_acquisition_takes_image_label_and_brain_the_same_way() -> None:
    torch.manual_seed(0)
    label = torch.zeros(8, 1, 64, 64)
    label[:, :, 20:32, 36:48] = 1
    brain = torch.zeros(8, 1, 64, 64)
    brain[:, :, 8:56, 8:56] = 1
    found = Acquisition()((0.2 + 0.6 * label) * brain, label, brain, 8 * [(26, 42)])
    inside, outside = found.label > 0.9, (found.label < 0.1) & found.brain
    for image, core, rest in zip(found.image, inside, outside, strict=True):
        assert image[core].mean() > image[rest].mean() + 0.25
    assert found.image[~found.brain].abs().max() == 0 and found.image[found.brain].min() > 0
    assert not torch.equal(found.brain.float(), brain), "the frame was deformed"


def test_less_sharp_slices_are_those_of_scipy_within_the_brain() -> None:
    rng = np.random.default_rng(0)
    image, brain = rng.uniform(0, 1, (3, 1, 40, 40)), rng.uniform(0, 1, (3, 1, 40, 40)) > 0.2
    sigma = (0.0, 0.7, 1.6)
    found = less_sharp(*(torch.from_numpy(array) for array in (image, brain)), torch.tensor(sigma, dtype=torch.float64))
    for of_slice, x, b, width in zip(found[:, 0].numpy(), image[:, 0], brain[:, 0], sigma, strict=True):
        blurred = [gaussian_filter(part, width, mode="constant", radius=7) for part in (x * b, b.astype(float))]
        expected = np.where(b, blurred[0] / blurred[1].clip(1e-9), x) if width else x
        np.testing.assert_allclose(of_slice, expected, atol=1e-12)


def test_a_push_enlarges_what_lies_at_the_centre() -> None:
    torch.manual_seed(0)
    rows = torch.linspace(-1, 1, 65)
    grid = torch.stack(torch.meshgrid(rows, rows, indexing="xy"), dim=-1)
    moved = push(grid, (32, 32), (65, 65))
    assert torch.allclose(moved[32, 32], grid[32, 32], atol=1e-6)
    assert (moved[32, 36] - moved[32, 28]).norm() < (grid[32, 36] - grid[32, 28]).norm()


def test_the_same_seed_paints_the_same_lesions(lesions: PaintedLesions, tiny_dataset: Path) -> None:
    slices = normal_slices(tiny_dataset)
    batch = torch.utils.data.default_collate([slices[row] for row in range(4)])
    prepare = PreparePaintedSlices(lesions, Acquisition())
    torch.manual_seed(3)
    first, target, _, place = prepare(batch)
    torch.manual_seed(3)
    second = prepare(batch)[0]
    assert torch.equal(place["z"], batch["z"])
    assert torch.equal(first, second) and target["lesion"].shape == first.shape
    core = binary_erosion(target["brain"][0, 0].numpy())
    assert first[0, 0].numpy()[core].min() > 0
