from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from preprocessing.errors import PreprocessingError
from preprocessing.intensity.contrast import POINTS, flair_like, tissue_range

CSF, GREY, WHITE = 200.0, 550.0, 800.0


@pytest.fixture(scope="module")
def t1() -> tuple[np.ndarray, np.ndarray]:
    """Three tissues with noise, in a box of air; some voxels of each intensity between CSF and white matter."""
    rng = np.random.default_rng(0)
    image = np.zeros((30, 30, 30))
    image[3:27, 3:27, 3:27] = rng.choice([CSF, GREY, WHITE], (24, 24, 24), p=(0.15, 0.45, 0.4))
    image[3:27, 3:27, 3:27] += rng.normal(0, 20, (24, 24, 24))
    image[5:8, 3:27, 3:27] = np.linspace(CSF, WHITE, 3 * 24 * 24).reshape(3, 24, 24)
    brain = np.zeros(image.shape, np.uint8)
    brain[3:27, 3:27, 3:27] = 1
    return image, brain


def test_tissue_range_finds_csf_and_white_matter(t1: tuple[np.ndarray, np.ndarray]) -> None:
    csf, white = tissue_range(t1[0][t1[1] > 0])
    assert csf == pytest.approx(CSF, abs=30) and white == pytest.approx(WHITE, abs=20)


def test_order_of_the_tissues_is_that_of_flair(t1: tuple[np.ndarray, np.ndarray]) -> None:
    image, brain = t1
    for seed in range(20):
        flair = flair_like(image, brain, seed)
        csf, grey, white = (np.median(flair[(brain > 0) & (abs(image - level) < 20)]) for level in (CSF, GREY, WHITE))
        assert csf < 0.1 < white < grey < 0.75


@pytest.mark.parametrize(("low", "high", "sign"), [(0.0, 0.5, 1), (0.62, 0.85, -1)])
def test_pieces_are_monotone(t1: tuple[np.ndarray, np.ndarray], low: float, high: float, sign: int) -> None:
    image, brain = t1
    csf, white = tissue_range(image[brain > 0])
    part = (brain > 0) & (image >= csf + low * (white - csf)) & (image <= csf + high * (white - csf))
    order = np.argsort(image[part])
    for seed in range(20):
        assert (sign * np.diff(flair_like(image, brain, seed, noise=0)[part][order]) >= -1e-6).all()


def test_intensities_stay_near_the_points(t1: tuple[np.ndarray, np.ndarray]) -> None:
    image, brain = t1
    csf, white = tissue_range(image[brain > 0])
    scale, intensity = np.array(POINTS).T
    expected = np.interp((image[brain > 0] - csf) / (white - csf), scale, intensity)
    mean = np.mean([flair_like(image, brain, seed, noise=0)[brain > 0] for seed in range(40)], axis=0)
    assert np.abs(mean / expected - 1).max() < 0.03


def test_scale_of_the_scanner_does_not_matter(t1: tuple[np.ndarray, np.ndarray]) -> None:
    image, brain = t1
    assert np.allclose(flair_like(image, brain, 3), flair_like(image * 0.001 + 5, brain, 3), atol=1e-3)


def test_seed_decides(t1: tuple[np.ndarray, np.ndarray]) -> None:
    one, same, other = (flair_like(*t1, seed) for seed in (1, 1, 2))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_air_is_zero_and_brain_is_not(t1: tuple[np.ndarray, np.ndarray]) -> None:
    image, brain = t1
    flair = flair_like(image, brain, 0)
    assert flair.dtype == np.float32 and np.array_equal(flair > 0, brain > 0)


@pytest.mark.parametrize(
    ("image", "brain", "match"),
    [
        (np.ones((3, 3, 3)), np.ones((3, 3, 2)), r"image \(3, 3, 3\) and brain mask \(3, 3, 2\)"),
        (np.ones((3, 3, 3)), np.zeros((3, 3, 3)), "brain mask is empty"),
        (np.ones((3, 3, 3)), np.ones((3, 3, 3)), "fewer than three intensities"),
        (np.full((3, 3, 3), np.nan), np.ones((3, 3, 3)), "not finite"),
    ],
)
def test_bad_input_is_refused(image: np.ndarray, brain: np.ndarray, match: str) -> None:
    with pytest.raises(PreprocessingError, match=match):
        flair_like(image, brain, 0)


@pytest.mark.shared
def test_real_t1_gets_bright_grey_matter(shared_data: Path) -> None:
    head = shared_data / "ixi_2mm" / "IXI013-HH-1212_T1.nii.gz"
    image = nib.Nifti1Image.from_filename(head).get_fdata()
    mask = nib.Nifti1Image.from_filename(str(head).replace("_T1", "_DLMUSE")).get_fdata() > 0
    csf, white = tissue_range(image[mask])
    scaled = (image - csf) / (white - csf)
    flair = flair_like(image, mask, 0)
    grey = np.median(flair[mask & (scaled > 0.45) & (scaled < 0.62)])
    assert np.median(flair[mask & (scaled > 0.9)]) + 0.08 < grey < 0.7
    assert np.median(flair[mask & (scaled < 0)]) < 0.1
