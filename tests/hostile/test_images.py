"""Headers: an image is read as its file says, by a reader of our own that follows the standard, or refused by name."""

from __future__ import annotations

import gzip
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import nifti_by_hand
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from nifti_by_hand import Volume
from outcome import same, taken
from scipy.spatial.transform import Rotation
from synthetic_brain import LIMITS

from preprocessing.io.loading import LoadScand
from preprocessing.scan import Scan

LOAD = LoadScand(**LIMITS)
CODES = st.sampled_from([(1, 1), (2, 1), (1, 0), (0, 1), (4, 4), (0, 0), (-1, 1), (1, 300)])
SCALINGS = st.sampled_from([(1.0, 0.0), (0.0, 0.0), (0.0, 9.0), (2.0, -7.0), (0.5, 3.0), (-1.0, 50.0), (1e-7, 0.0),
                            (np.nan, 0.0), (1.0, np.nan), (np.inf, 0.0), (1e38, 0.0)])  # fmt: skip
KINDS = st.sampled_from(sorted(nifti_by_hand.CODES))


@dataclass(frozen=True)
class Stored:
    """How a volume lies on the disk. damage: bytes of the header that were changed, by their place."""

    volume: Volume
    kind: str
    order: str
    codes: tuple[int, int]
    scaling: tuple[float, float]
    trailing_axes: int
    units: int
    ending: str
    damage: dict[int, int] = field(default_factory=dict)
    cut: int = 0
    tail: bytes = b""

    @property
    def is_ordinary(self) -> bool:
        """Nothing is wrong with it: it has to be taken."""
        known = (
            0 < max(self.codes) <= 5 and min(self.codes) >= 0 and self.scaling in ((1.0, 0.0), (0.0, 0.0), (2.0, -7.0))
        )
        return known and not self.damage and not self.cut

    def content(self) -> bytes:
        """As a single file without compression."""
        head, voxels = nifti_by_hand.write(
            *(self.volume, self.kind, self.order, self.codes, self.scaling, self.trailing_axes, self.units)
        )
        changed = bytearray(head)
        for place, value in self.damage.items():
            changed[place] = value
        return bytes(changed) + voxels

    def write(self, folder: Path) -> Path:
        path = folder / f"scan{self.ending}"
        content = self.content()
        content = content[: len(content) - self.cut] if self.ending == ".nii" else content
        if self.ending.lower() == ".nii.gz":
            content = gzip.compress(content, 1)
            content = content[: len(content) - self.cut] + self.tail
        path.write_bytes(content)
        return path


@st.composite
def volumes(draw: st.DrawFn) -> Volume:
    """A bright ball somewhere in a box, whose axes lie in any order and direction, maybe oblique."""
    shape = draw(st.tuples(*3 * [st.integers(21, 25)]))
    centre, radius = draw(st.tuples(*3 * [st.integers(8, 12)])), draw(st.integers(3, 6))
    points = np.indices(shape) - np.reshape(centre, (3, 1, 1, 1))
    array = 10.0 * ((points**2).sum(axis=0) < radius**2) * 4 + np.indices(shape).sum(axis=0) % 7
    turn = draw(st.permutations(range(3)))
    signs = draw(st.tuples(*3 * [st.sampled_from([-1, 1])]))
    tilt = Rotation.from_euler("xyz", draw(st.tuples(*3 * [st.integers(-20, 20)])), degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = tilt @ (np.eye(3)[:, turn] * signs) * draw(st.sampled_from([4.0, 4.5, 5.0]))
    affine[:3, 3] = draw(st.tuples(*3 * [st.integers(-150, 150)]))
    return Volume(array, affine)


@st.composite
def files(draw: st.DrawFn) -> Stored:
    return Stored(
        draw(volumes()),
        draw(KINDS),
        draw(st.sampled_from("<>")),
        draw(CODES),
        draw(SCALINGS),
        draw(st.integers(0, 2)),
        draw(st.sampled_from([0, 1, 2, 3, 10])),
        draw(st.sampled_from([".nii", ".nii.gz", ".NII.GZ", ".nii.gz"])),
        draw(st.one_of(st.just({}), st.dictionaries(st.integers(0, 351), st.integers(0, 255), max_size=4))),
        draw(st.one_of(st.just(0), st.integers(1, 2000))),
        draw(st.sampled_from([b"", b"<html>", bytes(512)])),
    )


@given(files())
def test_a_file_is_read_as_it_says_or_refused(stored: Stored) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = stored.write(Path(folder))
        scan = Scan("sub-a", "sub-a", "CT", path, healthy=True)  # values of CT are not moved
        data = taken(lambda: LOAD({"scan": scan}), str(path))
    if data is None:
        same(not stored.is_ordinary, f"an ordinary file is refused: {stored}")
        return
    said = nifti_by_hand.read(stored.content())
    same(said is not None, "a file was read that the standard does not allow")
    array, affine = data["image"][0].numpy(), np.asarray(data["image"].affine)
    same(array.shape == said.array.shape, "another shape")
    same(np.allclose(array, said.array, rtol=1e-5, atol=1e-6 * np.abs(said.array).max()), "other values")
    same(np.allclose(affine, said.affine, rtol=1e-4, atol=1e-3), "another place")
    if stored.is_ordinary:
        ball, wanted = (values > 25 * (stored.scaling[0] or 1) for values in (array, said.array))
        volume = ball.sum() * abs(np.linalg.det(affine[:3, :3]))
        truth = (stored.volume.array > 25).sum() * abs(np.linalg.det(stored.volume.affine[:3, :3]))
        same(abs(volume / truth - 1) < 1e-3 or stored.scaling[1] != 0, f"{volume} mm³ of {truth} mm³")
        place = affine[:3] @ [*np.argwhere(ball).mean(axis=0), 1]
        same(np.abs(place - stored.volume.affine[:3] @ [*np.argwhere(wanted).mean(axis=0), 1]).max() < 0.01, "moved")


@given(volumes(), st.sampled_from(["u1", "i2", "f4"]), st.floats(-3000, 3000), st.floats(0.01, 100))
def test_an_mri_keeps_its_shape_of_values_from_any_level(volume: Volume, kind: str, level: float, gain: float) -> None:
    """Air may lie anywhere: the values that are read differ from those that are stored by a constant."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scan.nii"
        path.write_bytes(b"".join(nifti_by_hand.write(volume, kind, scaling=(gain, level))))
        data = taken(lambda: LOAD({"scan": Scan("sub-a", "sub-a", "FLAIR", path, healthy=True)}), str(path))
    if data is not None:
        difference = data["image"][0].numpy() - (volume.array * gain + level)
        same(np.ptp(difference) < 1e-3 * (abs(level) + 50 * gain), "values were changed by more than a constant")
