"""Masks: however 0 and 1 are stored, in whatever order of axes, the mask is the same for all readers, or refused."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nifti_by_hand
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from nifti_by_hand import Volume
from outcome import same, taken
from synthetic_brain import LIMITS
from test_images import volumes

from lesionless.scan_files import ScanFiles, read
from preprocessing.io.loading import LoadScand
from preprocessing.scan import Scan

LOAD = LoadScand(**LIMITS)
MASKS = [("u1", 1, 0), ("u1", 255, 0), ("i8", 1, 0), ("f4", 1, 0), ("f8", 0.9999, 1e-6), ("f4", 0.7, 0.2),
         ("f4", 1.09, -0.03), ("i2", 3, -1), ("f4", 1, 0.001), ("f4", 0.51, 0.49), ("u2", 65535, 0)]  # fmt: skip
REFUSED = [("f4", 254.7, 0), ("f4", np.nan, 0), ("f4", 1, -0.6), ("f4", 1e9 + 0.5, 0.5), ("f4", np.inf, 0)]


def other_order(volume: Volume, turn: list[int], flips: tuple[bool, ...]) -> Volume:
    """The same place in the world, stored in another order and direction of axes."""
    step = np.eye(4)
    step[:3, :3] = np.eye(3)[:, turn] * np.where(flips, -1, 1)
    array = np.transpose(volume.array, turn)
    array = array[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
    first = np.where(flips, array.shape, 1) - np.where(flips, 1, 1)
    step[:3, 3] = np.eye(3)[:, turn] @ np.where(flips, first, 0)
    return Volume(np.ascontiguousarray(array), volume.affine @ step)


@given(
    volumes(),
    st.sampled_from([*MASKS, *MASKS, *REFUSED]),
    st.permutations(range(3)),
    st.tuples(*3 * [st.booleans()]),
    st.sampled_from([0.0, 0.0, 0.1, 5.0]),
    st.integers(0, 1),
)
def test_a_mask_is_the_same_mask_for_all_readers(
    image: Volume, stored: tuple[str, float, float], turn: list[int], flips: tuple[bool, ...], shift: float, axes: int
) -> None:
    kind, inside, outside = stored
    truth = image.array > 25
    mask = other_order(Volume(np.where(truth, inside, outside), image.affine), turn, flips)
    moved = mask.affine.copy()
    moved[0, 3] += shift
    with tempfile.TemporaryDirectory() as folder:
        path, brain = Path(folder) / "scan.nii", Path(folder) / "brain.nii"
        path.write_bytes(b"".join(nifti_by_hand.write(image, "f4")))
        with np.errstate(invalid="ignore"):
            brain.write_bytes(b"".join(nifti_by_hand.write(Volume(mask.array, moved), kind, trailing_axes=axes)))
        scan = Scan("sub-a", "sub-a", "FLAIR", path, healthy=True, brain=brain)
        prepared = taken(lambda: LOAD({"scan": scan}), "brain.nii")
        measured = taken(lambda: read(ScanFiles("a", path, brain, brain), "positive"), "brain.nii")
    wrong = stored in REFUSED or shift > 1
    same((prepared is None) == (measured is None) == wrong, "a wrong mask was taken, or a right one refused")
    if prepared is not None and measured is not None:
        found = prepared["brain"][0].numpy() > 0
        for other, name in ((found, "preparing"), (measured.support, "support"), (measured.lesion, "lesion")):
            same(np.array_equal(other, truth), f"{name}: another mask, {other.sum()} of {truth.sum()} voxels")
