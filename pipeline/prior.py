"""The tissue prior on disk (docs/DATASET.md, section Prior): where CSF, GM and WM are in healthy brains."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import torch

from pipeline.archives import inflated
from pipeline.data import atlas_slices, load_manifest
from pipeline.documents import check_kinds, read_document
from pipeline.errors import PipelineError

CARD, MAPS = "prior.json", ("mean", "variance")
CLASSES = ("CSF", "GM", "WM", "background")
MOST = 1000  # slices
HEADER = 1 << 20  # bytes
KINDS = {
    "classes": [str],
    "image_size": int,
    "space": str,
    "z": 3 * [int],
    "source?": str,
    "cohort_hash?": str,
    "sha256?": {str: str},
}


class ShapePrior(NamedTuple):
    """Mean and variance of the tissue maps of healthy subjects, both [S, 4, H, W], channels as `CLASSES`.

    start, step: atlas index of the first slice, and the distance of two slices.
    name: for tables, what the prior was made of and the first 12 digits of its cohort hash; "unknown" without a card.
    """

    mean: torch.Tensor
    variance: torch.Tensor
    start: int
    step: int
    name: str = "unknown"

    def rows_of(self, z: torch.Tensor) -> torch.Tensor:
        """Index into `mean` of the slices at atlas positions `z` [N], on the device of `z`.

        Raises:
            PipelineError: a position that the prior does not cover; not where `z` lies on a GPU, which would have to be
                waited for. `load_prior` has looked at all slices of the data set.
        """
        rows, rest = (z - self.start) // self.step, (z - self.start) % self.step
        if z.is_cuda:
            return rows
        outside = (rows < 0) | (rows >= len(self.mean)) | (rest != 0)
        if outside.any():
            last = self.start + (len(self.mean) - 1) * self.step
            raise PipelineError(
                f"the prior has no slice at atlas position {int(z[outside][0])}: it covers {self.start} to {last} in "
                f"steps of {self.step}"
            )
        return rows


def load_prior(prior_dir: str | Path, dataset_dir: str | Path) -> ShapePrior:
    """Read the prior in the folder `prior_dir` for the slices of a dataset.

    Raises:
        PipelineError: no prior there (the message is the command that makes one), another format, grid or space,
            changed maps, a dataset that does not say where its slices lie, or slices that the prior does not cover.
    """
    manifest, card = load_manifest(dataset_dir), _read_card(Path(prior_dir), dataset_dir)
    for key in ("image_size", "space"):
        if card[key] != manifest[key]:
            raise PipelineError(f"the prior '{prior_dir}' has {key} {card[key]}, the dataset {manifest[key]}")
    if any("z" not in item for item in manifest["items"]):
        raise PipelineError(f"'{dataset_dir}' does not say where its slices lie: prepare it again")
    mean, variance = (_read_maps(Path(prior_dir), name, card) for name in MAPS)
    size = manifest["image_size"]
    if mean.shape != variance.shape or mean.shape[1:] != (len(CLASSES), size, size):
        raise PipelineError(f"'{prior_dir}': mean and variance must be [{size}, {size}, slices, {len(CLASSES)}]")
    start, _, step = card["z"]
    name = f"{card.get('source', 'unknown source')} ({card.get('cohort_hash', 'no hash')[:12]})"
    prior = ShapePrior(mean, variance, start, step, name)
    prior.rows_of(torch.tensor([z for item in manifest["items"] if "rows" in item for z in atlas_slices(item)]))
    return prior


def prior_files(prior_dir: str | Path, dataset_dir: str | Path) -> list[Path]:
    """The files that a prior consists of.

    Raises:
        PipelineError: no prior there; the message is the command that makes one.
    """
    folder = Path(prior_dir)
    _read_card(folder, dataset_dir)
    return [folder / CARD, *(folder / f"{name}.nii.gz" for name in MAPS)]


def _read_card(folder: Path, dataset_dir: str | Path) -> dict[str, Any]:
    path = folder / CARD
    if not path.is_file():
        raise PipelineError(
            f"no tissue prior in '{folder}': run `python -m preprocessing prior --dataset {dataset_dir} --out {folder}`"
            " (with --default: that of ICBM152, made without segmenting a scan), or name one: prior_dir"
        )
    card: dict[str, Any] = read_document(path)
    found = (card.get("format"), card.get("version")) if isinstance(card, dict) else (None, None)
    if found != ("lesionless-prior", 1):
        raise PipelineError(f"{path} has format and version {found}; this release reads ('lesionless-prior', 1)")
    check_kinds(card, KINDS, str(path))
    if card["z"][2] < 1 or len(range(*card["z"])) > MOST:
        raise PipelineError(f"{path}: z {card['z']} is start, stop and step, above 0, of at most {MOST} slices")
    if tuple(card["classes"]) != CLASSES:
        raise PipelineError(f"{path} has the classes {card['classes']}; this release reads {list(CLASSES)}")
    return card


def _read_maps(folder: Path, name: str, card: dict[str, Any]) -> torch.Tensor:
    """[W, H, S, 4] on disk as [S, 4, W, H], the axes of a batch of slices."""
    path = folder / f"{name}.nii.gz"
    named = card.get("sha256", {}).get(name)
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != named:
        raise PipelineError(f"{path} is not the file that its prior.json names: make the prior again")
    try:
        maps = nib.Nifti1Image.from_bytes(inflated(path, _bytes(card))).get_fdata(dtype=np.float32)
    except PipelineError:
        raise
    except Exception as error:  # nibabel has many kinds
        raise PipelineError(f"{path}: no NIfTI of maps: make the prior again") from error
    if maps.ndim != 4 or not np.isfinite(maps).all():
        raise PipelineError(f"{path}: four maps of finite numbers are needed, got shape {maps.shape}")
    return torch.from_numpy(maps).permute(2, 3, 0, 1).contiguous()


def _bytes(card: dict[str, Any]) -> int:
    """The most that a file of maps holds: numbers of 8 bytes, and its header."""
    return 8 * len(CLASSES) * card["image_size"] ** 2 * (len(range(*card["z"])) + 2) + HEADER
