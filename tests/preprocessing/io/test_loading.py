"""Every file that cannot be used is refused by name, with the rule and the value."""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from synthetic_brain import LIMITS

from preprocessing.errors import PreprocessingError
from preprocessing.io.loading import LoadScand
from preprocessing.io.nifti import load_volume, open_nifti
from preprocessing.scan import Scan

LOAD = LoadScand(**LIMITS)


def write(path: Path, array: np.ndarray, affine: np.ndarray | None = None, codes: tuple[int, int] = (1, 1)) -> Path:
    affine = np.diag([4.0, 4, 4, 1]) if affine is None else affine
    image = nib.Nifti1Image(array, affine)
    image.set_sform(affine, code=codes[0])
    image.set_qform(affine, code=codes[1])
    image.to_filename(path)
    return path


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape).astype(np.float32)


def with_nan() -> np.ndarray:
    array = noise(30, 30, 30)
    array[3, 4, 5] = np.nan
    return array


@pytest.mark.parametrize(
    ("array", "affine", "codes", "message"),
    [
        (noise(30, 30, 30, 2), None, (1, 1), r"shape \(30, 30, 30, 2\) of float32 is not one 3-D volume of numbers"),
        (noise(30, 30), None, (1, 1), r"shape \(30, 30\) of float32 is not one 3-D volume of numbers"),
        (with_nan(), None, (1, 1), r"1 voxels are NaN or infinite"),
        (np.zeros((30, 30, 30), np.float32), None, (1, 1), r"every voxel is 0; an image needs contrast"),
        (noise(30, 30, 30), None, (0, 0), r"no valid affine: sform_code and qform_code are both 0"),
        (noise(30, 30, 30), np.diag([9.0, 4, 4, 1]), (1, 1), r"voxels of 9.0 × 4.0 × 4.0 mm; the limit is 8 mm"),
        (noise(30, 30, 5), None, (1, 1), r"field of view 120.0 × 120.0 × 20.0 mm; a head needs 80 mm"),
    ],
)
def test_bad_image_is_refused_by_name(
    tmp_path: Path, array: np.ndarray, affine: np.ndarray | None, codes: tuple[int, int], message: str
) -> None:
    path = write(tmp_path / "scan.nii.gz", array, affine, codes)
    with pytest.raises(PreprocessingError, match=r"scan\.nii\.gz: " + message):
        LOAD({"scan": Scan("sub-a", "sub-a", "FLAIR", path, healthy=True)})


def test_a_hand_that_is_neither_right_nor_left_is_refused(tmp_path: Path) -> None:
    """By the standard −2 mirrors the slices; NiBabel takes it for 1, and left would be right."""
    path = write(tmp_path / "scan.nii", noise(30, 30, 30), np.diag([-4.0, 4, 4, 1]), (0, 1))
    content = bytearray(path.read_bytes())
    assert content[76:80] == np.array(-1, "<f4").tobytes()
    content[76:80] = np.array(-2, "<f4").tobytes()
    path.write_bytes(content)
    with pytest.raises(PreprocessingError, match=r"scan\.nii: pixdim\[0\] is -2, not 1 or -1: nothing says which way"):
        load_volume(path)


@pytest.mark.parametrize(
    ("place", "kind", "value", "message"),
    [
        (254, "<i2", 300, "sform_code is 300; NIfTI knows 0 to 5"),
        (252, "<i2", -1, "qform_code is -1; NIfTI knows 0 to 5"),
        (256, "<f4", 1e9, "its qform is damaged .*; set qform_code to 0"),
        (268, "<f4", np.nan, "place its corners nan mm apart, at most 1 mm"),
    ],
)
def test_a_field_that_nibabel_would_mend_or_choke_on_is_named(
    tmp_path: Path, place: int, kind: str, value: float, message: str
) -> None:
    """All of them were found by tests/hostile."""
    content = bytearray(write(tmp_path / "scan.nii", noise(30, 30, 30)).read_bytes())
    content[place : place + np.dtype(kind).itemsize] = np.array(value, kind).tobytes()
    (tmp_path / "scan.nii").write_bytes(content)
    with pytest.raises(PreprocessingError, match=rf"scan\.nii: .*{message}"):
        LOAD({"scan": scan_of(tmp_path / "scan.nii")})


def test_singular_affine_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.nii", noise(30, 30, 30))
    content = bytearray(path.read_bytes())
    content[280:296] = np.zeros(4, np.float32).tobytes()  # srow_x
    path.write_bytes(content)
    with pytest.raises(PreprocessingError, match=r"no valid affine: .* is singular or not finite"):
        load_volume(path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:2000])


def cut_inside(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:5000]))


def cut_checksum(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def flip_a_bit(path: Path) -> None:
    content = bytearray(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=0))
    content[60000] ^= 64
    path.write_bytes(content)


def scribble(path: Path) -> None:
    path.write_text("no image")


@pytest.mark.parametrize("damage", [cut, cut_inside, cut_checksum, flip_a_bit, scribble])
def test_damaged_file_is_refused(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = write(tmp_path / "scan.nii.gz", noise(30, 30, 30))
    damage(path)
    with pytest.raises(PreprocessingError, match=r"scan\.nii\.gz: unreadable or truncated \(\w+: "):
        load_volume(path)


def test_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PreprocessingError, match=r"nothing\.nii\.gz: no such file"):
        load_volume(tmp_path / "nothing.nii.gz")
    path = tmp_path / "scan.mgz"
    nib.MGHImage(noise(30, 30, 30), np.eye(4)).to_filename(path)
    with pytest.raises(PreprocessingError, match=r"scan\.mgz: not named as NIfTI is .*; convert it, by nib-convert"):
        load_volume(path)


def test_trailing_axis_of_one_volume_is_read(tmp_path: Path) -> None:
    array, _ = load_volume(write(tmp_path / "scan.nii.gz", noise(30, 30, 30, 1)))
    assert array.shape == (30, 30, 30)


@pytest.mark.parametrize("key", ["lesion", "brain"])
def test_label_of_another_geometry_is_refused(tmp_path: Path, key: str) -> None:
    image = write(tmp_path / "scan.nii.gz", noise(30, 30, 30))
    scan = Scan("sub-a", "sub-a", "FLAIR", image, lesion=image)
    shape = write(tmp_path / "shape.nii.gz", noise(30, 30, 29))
    moved = write(
        tmp_path / "moved.nii.gz",
        noise(30, 30, 30),
        np.array([[4, 0, 0, 3], [0, 4, 0, 0], [0, 0, 4, 0], [0, 0, 0, 1.0]]),
    )
    with pytest.raises(
        PreprocessingError, match=r"shape\.nii\.gz: shape \(30, 30, 29\) is not the shape \(30, 30, 30\)"
    ):
        LOAD({"scan": replace(scan, **{key: shape})})
    with pytest.raises(PreprocessingError, match=r"moved\.nii\.gz: its affine is 3\.0 mm away .* at most 0\.5 mm"):
        LOAD({"scan": replace(scan, **{key: moved})})


def test_masks_become_zero_and_one_and_labels_keep_their_values(tmp_path: Path) -> None:
    image = write(tmp_path / "scan.nii.gz", noise(30, 30, 30))
    classes = np.random.default_rng(1).integers(0, 5, (30, 30, 30)).astype(np.uint8)
    label = write(tmp_path / "label.nii.gz", classes)
    data = LOAD({"scan": Scan("sub-a", "sub-a", "FLAIR", image, lesion=label, brain=label)})
    np.testing.assert_array_equal(data["brain"][0].numpy(), classes > 0)
    np.testing.assert_array_equal(data["lesion"][0].numpy(), classes)


def scan_of(path: Path, modality: str = "FLAIR") -> Scan:
    return Scan("sub-a", "sub-a", modality, path, healthy=True)


def with_forms(path: Path, sform: np.ndarray, qform: np.ndarray) -> Path:
    image = nib.Nifti1Image(noise(30, 30, 30), sform)
    image.set_sform(sform, code=2)
    image.set_qform(qform, code=1)
    image.to_filename(path)
    return path


def test_two_affines_that_differ_are_refused(tmp_path: Path) -> None:
    grid = np.diag([4.0, 4, 4, 1])
    near, far = grid.copy(), grid.copy()
    near[0, 3], far[0, 3] = 0.9, 42
    with pytest.raises(
        PreprocessingError,
        match=r"scan\.nii: sform .*42\.0.* \(code 2\) and qform .* \(code 1\) place its corners 42\.0 mm apart",
    ):
        LOAD({"scan": scan_of(with_forms(tmp_path / "scan.nii", far, grid))})
    assert LOAD({"scan": scan_of(with_forms(tmp_path / "scan.nii", near, grid))})["image"].shape == (1, 30, 30, 30)
    image = scan_of(with_forms(tmp_path / "scan.nii", grid, grid))
    label = with_forms(tmp_path / "label.nii", grid, far)
    with pytest.raises(PreprocessingError, match=r"label\.nii: sform .* and qform .* place its corners 42\.0 mm apart"):
        LOAD({"scan": replace(image, healthy=False, lesion=label)})


@pytest.mark.parametrize(("degrees", "refused"), [(4.0, False), (12.0, True)])
def test_skewed_axes_are_refused(tmp_path: Path, degrees: float, refused: bool) -> None:
    affine = np.diag([4.0, 4, 4, 1])
    affine[1:3, 2] = 4 * np.sin(np.radians(degrees)), 4 * np.cos(np.radians(degrees))
    scan = scan_of(write(tmp_path / "scan.nii", noise(30, 30, 30), affine, (1, 0)))
    if refused:
        with pytest.raises(
            PreprocessingError, match=r"scan\.nii: two voxel axes are 12\.0° off a right angle; at most 5"
        ):
            LOAD({"scan": scan})
    else:
        np.testing.assert_allclose(np.asarray(LOAD({"scan": scan})["image"].affine), affine, atol=1e-6)


def magnitude(largest: float) -> np.ndarray:
    """Most voxels dark, few bright, as a magnitude image has them."""
    return (largest * noise(30, 30, 30).astype(np.float64) ** 8).astype(np.int64)


def test_values_that_the_integer_type_cut_off_are_refused(tmp_path: Path) -> None:
    cut = np.clip(magnitude(50000), None, 32767).astype(np.int16)
    scan = scan_of(write(tmp_path / "scan.nii.gz", cut))
    with pytest.raises(
        PreprocessingError,
        match=r"scan\.nii\.gz: overflow: 0\.0\d+ of the voxels are at the limit 32767 of int16; at most",
    ):
        LOAD({"scan": scan})
    assert LOAD({"scan": replace(scan, modality="CT")})["checks"]["saturated"] == round((cut == 32767).mean(), 7)


def test_values_that_wrapped_around_are_refused(tmp_path: Path) -> None:
    wrapped = magnitude(40000).astype(np.int16)
    assert wrapped.min() < -20000
    scan = scan_of(write(tmp_path / "scan.nii.gz", wrapped))
    with pytest.raises(
        PreprocessingError,
        match=r"overflow: 0\.\d+ of the voxels are below -16384, where int16 puts larger magnitudes; at most",
    ):
        LOAD({"scan": scan})
    LOAD({"scan": replace(scan, modality="CT")})


def scaled(path: Path) -> np.ndarray:
    """Real values that NiBabel spreads over the whole range of int16, the background at its lower limit."""
    values = np.where(noise(30, 30, 30) < 0.5, -3.5, 8 * noise(30, 30, 30) - 6)
    image = nib.Nifti1Image(values, np.diag([4.0, 4, 4, 1]))
    image.set_data_dtype(np.int16)
    image.to_filename(path)
    return values


def test_small_negative_values_and_scaled_integers_are_no_overflow(tmp_path: Path) -> None:
    ringing = magnitude(1500) - 20
    LOAD({"scan": scan_of(write(tmp_path / "ringing.nii", ringing.astype(np.int16)))})
    path = tmp_path / "scaled.nii"
    values = scaled(path)
    assert np.asarray(nib.load(path).dataobj.get_unscaled()).min() == -32768
    found = LOAD({"scan": scan_of(path)})["image"][0].numpy()
    np.testing.assert_allclose(found, values + 3.5, atol=1e-3)  # counted from the background


def with_slope(path: Path, slope: float, intercept: float = 0) -> Path:
    write(path, np.arange(27000, dtype=np.int16).reshape(30, 30, 30))
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([slope, intercept], "<f4").tobytes()
    path.write_bytes(content)
    return path


def test_slope_of_zero_means_unscaled_and_no_number_is_refused(tmp_path: Path) -> None:
    stored = np.arange(27000).reshape(30, 30, 30)
    np.testing.assert_array_equal(load_volume(with_slope(tmp_path / "zero.nii", 0, 7))[0], stored)
    np.testing.assert_array_equal(load_volume(with_slope(tmp_path / "half.nii", 0.5, 7))[0], 0.5 * stored + 7)
    for slope in (np.nan, np.inf):
        with pytest.raises(PreprocessingError, match=rf"bad\.nii: scl_slope is {slope:g}; it must be a number"):
            load_volume(with_slope(tmp_path / "bad.nii", slope))


@pytest.mark.shared
@pytest.mark.parametrize(("gain", "refused"), [(45, False), (75, True)])
def test_a_real_scan_that_wrapped_around_is_refused(
    shared_data: Path, tmp_path: Path, gain: int, refused: bool
) -> None:
    image = nib.load(shared_data / "mslub_raw" / "patient01_study1_FLAIR.nii.gz")
    stored = (gain * np.asarray(image.dataobj).astype(np.int64)).astype(np.int16)
    scan = scan_of(write(tmp_path / "scan.nii.gz", stored, image.affine))
    if refused:
        with pytest.raises(PreprocessingError, match=r"overflow: 9\.8e-05 of the voxels are below -16384"):
            LOAD({"scan": scan})
    else:
        assert LOAD({"scan": scan})["checks"]["wrapped"] == 0


@pytest.mark.parametrize("tail", [b"", bytes(512), b"<html>503 Service Unavailable</html>"])
def test_bytes_after_the_compressed_data_are_counted_and_ignored(tmp_path: Path, tail: bytes) -> None:
    path = write(tmp_path / "scan.nii.gz", noise(30, 30, 30))
    path.write_bytes(path.read_bytes() + tail)
    data = LOAD({"scan": scan_of(path)})
    assert data["checks"]["trailing_bytes"] == len(tail)
    np.testing.assert_array_equal(data["image"][0].numpy(), noise(30, 30, 30))


def test_streams_in_a_row_are_one_file(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.nii.gz", noise(30, 30, 30))
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content[:5000]) + gzip.compress(content[5000:]))
    data = LOAD({"scan": scan_of(path)})
    np.testing.assert_array_equal(data["image"][0].numpy(), noise(30, 30, 30))
    assert data["checks"]["trailing_bytes"] == 0


def test_colours_and_complex_values_are_refused(tmp_path: Path) -> None:
    colours = np.zeros((30, 30, 30), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(PreprocessingError, match=r"shape \(30, 30, 30\) of void24 is not .* numbers; it is in colour"):
        load_volume(write(tmp_path / "scan.nii", colours))
    with pytest.raises(
        PreprocessingError, match=r"complex64 is not one 3-D volume of numbers; it is complex, give its"
    ):
        load_volume(write(tmp_path / "scan.nii", noise(30, 30, 30).astype(np.complex64)))


@pytest.mark.parametrize("unit", ["micron", "meter"])
def test_another_unit_than_mm_is_named(tmp_path: Path, unit: str) -> None:
    scale = {"micron": 1000, "meter": 0.001}[unit]
    image = nib.Nifti1Image(noise(30, 30, 30), np.diag([4.0 * scale, 4 * scale, 4 * scale, 1]))
    image.header.set_xyzt_units(unit)
    image.to_filename(tmp_path / "scan.nii")
    with pytest.raises(PreprocessingError, match=f"its header says the unit {unit.replace('meter', 'metre')}"):
        LOAD({"scan": scan_of(tmp_path / "scan.nii")})


def test_what_a_file_is_by_its_content_is_said(tmp_path: Path) -> None:
    plain = write(tmp_path / "scan.nii", noise(30, 30, 30))
    for name, content, said in (
        ("a.nii.gz", plain.read_bytes(), "its name says gzip, its content is not compressed"),
        ("b.nii", gzip.compress(plain.read_bytes()), r"its content is gzip, name it \.nii\.gz"),
        ("c.nrrd", b"NRRD0004\ntype: uchar\n\n", "not named as NIfTI is .*; it is NRRD; convert it"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(PreprocessingError, match=said):
            load_volume(tmp_path / name)
    (tmp_path / "d.nii").symlink_to("nowhere.nii")
    with pytest.raises(PreprocessingError, match=r"d\.nii: no such file; it is a link to nowhere\.nii, which is not"):
        load_volume(tmp_path / "d.nii")


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    content = bytearray(write(tmp_path / "scan.nii", noise(30, 30, 30)).read_bytes())
    content[42:48] = np.array([30000, 30000, 30000], "<i2").tobytes()
    (tmp_path / "scan.nii.gz").write_bytes(gzip.compress(content))
    with pytest.raises(PreprocessingError, match=r"shape \(30000, 30000, 30000\); from 1 to 1e\+09 voxels are"):
        load_volume(tmp_path / "scan.nii.gz")


def header_of(path: Path, **fields: object) -> bytes:
    """A NIfTI-1 header with these fields and the four bytes after it, as raw bytes."""
    content = bytearray(write(path, noise(3, 3, 3)).read_bytes()[:352])
    places = {"dim": (42, "<i2"), "datatype": (70, "<i2"), "vox_offset": (108, "<f4")}
    for name, value in fields.items():
        begin, kind = places[name]
        stored = np.array(value, kind).tobytes()
        content[begin : begin + len(stored)] = stored
    return bytes(content)


def bomb(path: Path, header: bytes, megabytes: int) -> Path:
    """A small file of which this much comes out, all zero."""
    pieces = zlib.compressobj(9, wbits=31)
    with path.open("wb") as stream:
        stream.write(pieces.compress(header))
        for _ in range(megabytes):
            stream.write(pieces.compress(bytes(1 << 20)))
        stream.write(pieces.flush())
    return path


@pytest.mark.parametrize(
    ("fields", "megabytes", "message"),
    [
        ({"dim": (1000, 1000, 999), "datatype": (64, 64)}, 100, r"7621 MB from a file of \d+ bytes: no image"),
        ({"vox_offset": 4e9}, 100, "its header is longer than 64 MB"),
        ({"vox_offset": np.nan}, 100, "its header is longer than 64 MB"),
        ({"dim": (30, 30, 30)}, 80, r"more than \d+ bytes come out; its header says 108352"),
    ],
)
def test_a_bomb_is_refused_before_it_fills_the_memory(
    tmp_path: Path, fields: dict[str, object], megabytes: int, message: str
) -> None:
    path = bomb(tmp_path / "scan.nii.gz", header_of(tmp_path / "small.nii", **fields), megabytes)
    tracemalloc.start()
    with pytest.raises(PreprocessingError, match=rf"scan\.nii\.gz: .*{message}"):
        load_volume(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size < 200_000 and peak < 20e6


def test_a_file_of_many_small_streams_is_read_in_time(tmp_path: Path) -> None:
    """As bgzip writes them; the rest of the file was copied once for each stream."""
    content = write(tmp_path / "scan.nii", noise(40, 40, 40)).read_bytes()
    streams = b"".join(gzip.compress(content[k : k + 64]) for k in range(0, len(content), 64))
    (tmp_path / "scan.nii.gz").write_bytes(streams + b"tail")
    began = time.process_time()
    assert open_nifti(tmp_path / "scan.nii.gz").trailing == 4
    assert time.process_time() - began < 2


def test_a_label_stored_in_another_order_is_brought_into_that_of_the_image(tmp_path: Path) -> None:
    grid = np.array([[4.0, 0.2, 0, -50], [-0.2, 4, 0, -60], [0, 0, 4, -40], [0, 0, 0, 1]])
    image = write(tmp_path / "scan.nii.gz", noise(30, 32, 34), grid, (1, 0))
    classes = np.random.default_rng(1).integers(0, 5, (30, 32, 34)).astype(np.uint8)
    stored = np.transpose(classes[::-1], (2, 0, 1))  # stored[k, i, j] = classes[29 - i, j, k]
    affine = grid @ np.array([[0, -1, 0, 29], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
    label = write(tmp_path / "label.nii.gz", np.ascontiguousarray(stored), affine, (1, 0))
    data = LOAD({"scan": Scan("sub-a", "sub-a", "FLAIR", image, lesion=label, brain=label)})
    np.testing.assert_array_equal(data["lesion"][0].numpy(), classes)
    np.testing.assert_array_equal(data["brain"][0].numpy(), classes > 0)
