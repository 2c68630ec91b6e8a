"""A prepared dataset on disk (`dataset.json`, see docs/DATASET.md) as memory-mapped MONAI datasets of axial slices."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import DataLoader
from scipy.ndimage import binary_dilation, binary_erosion
from torch.utils.data import Dataset, DistributedSampler, Sampler, Subset

from pipeline.documents import read_document
from pipeline.errors import PipelineError
from pipeline.manifest import check_manifest, count_rows, first_row, open_array

ARRAYS = ("image", "brain", "lesion")


def load_manifest(dataset_dir: str | Path, expected: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Read and check `dataset_dir/dataset.json`.

    Args:
        expected: values that a protocol asks of the dataset, e.g. `{"image_size": 224}`.

    Raises:
        PipelineError: no manifest, a value that is not the expected one, or see `check_manifest`.
    """
    path = Path(dataset_dir).resolve() / "dataset.json"
    if not path.is_file():
        raise PipelineError(
            f"no prepared dataset in '{dataset_dir}': dataset.json is missing; run `python -m preprocessing run`"
        )
    manifest: dict[str, Any] = read_document(path)
    check_manifest(manifest, path)
    for key, value in (expected or {}).items():
        if manifest[key] != value:
            raise PipelineError(f"the protocol asks for {key} {value}; the dataset '{dataset_dir}' has {manifest[key]}")
    return manifest


def scan_affine(manifest: dict[str, Any], item: dict[str, Any]) -> np.ndarray:
    """Voxel → mm (RAS, 4×4) of the pseudo-volume [H, W, N] of the scan `item`: the manifest's, from the scan's first z.

    `A · translation(0, 0, (z_scan − z_grid) / step)`; scans of a data set may start at different slices.
    """
    shift = np.eye(4)
    if "z" in manifest:  # without, all scans start where the grid does
        start, _, step = manifest["z"]
        own, *_ = item["z"]
        shift[2, 3] = (own - start) / step
    return np.asarray(manifest["affine"], dtype=float) @ shift


class SliceDataset(Dataset):
    """Axial slices of one split, memory-mapped: opening it costs no memory, whatever its size.

    An item is `{"image": [1, H, W] float32 in [0, 1], "brain", "lesion", "support": [1, H, W] bool, "scan": id,
    "row": int, "z": int}`. `z` is the atlas index of the slice, −1 where the manifest does not say. `support` is the
    brain without the rim nearer than `erosion_mm` (in-plane mm) to its edge: the region on which every method of a
    table is measured.

    Args:
        dataset_dir: folder with `dataset.json`.
        split: name of a split of the manifest.
        erosion_mm: width of the rim left out of the support, in mm; 0 keeps the brain.
        erosion_px: side of a square element, in pixels, that erodes the brain instead, as published code does; an even
            side takes one pixel more off where the axes start.

    Raises:
        PipelineError: unknown split (the message lists the choices), a scan whose label is not complete, or arrays
            that are not those that the manifest names.
    """

    def __init__(
        self, dataset_dir: str | Path, split: str, erosion_mm: float = 0.0, erosion_px: int | None = None
    ) -> None:
        manifest = load_manifest(dataset_dir)
        if split not in manifest["splits"]:
            raise PipelineError(f"unknown split '{split}' in {dataset_dir}; available: {', '.join(manifest['splits'])}")
        self.split = split
        self.spacing = tuple(manifest["spacing_mm"][:2])
        self.erosion_mm = erosion_mm
        self.erosion_px = erosion_px
        self.items = sorted((i for i in manifest["items"] if i["split"] == split), key=first_row)
        unlabelled = [item["id"] for item in self.items if not item["labelled"]]
        if unlabelled:
            raise PipelineError(
                f"split '{split}' holds '{unlabelled[0]}', whose lesions are not all labelled: not measurable"
            )
        paths = manifest["splits"][split]
        rows = count_rows(self.items, f"split '{split}' of {dataset_dir}")
        shape = (rows, manifest["image_size"], manifest["image_size"])
        self.arrays = {key: open_array(Path(dataset_dir) / paths[key], shape) for key in ARRAYS}
        self.scans = [item["id"] for item in self.items for _ in range(*item["rows"])]
        self.z = [z for item in self.items for z in atlas_slices(item)]

    def __len__(self) -> int:
        return len(self.scans)

    def __getitem__(self, row: int) -> dict[str, Any]:
        image, brain, lesion = (torch.from_numpy(np.array(self.arrays[key][row]))[None] for key in ARRAYS)
        support = self._support(brain[0].numpy() > 0)
        return {
            "image": image.float(),
            "brain": brain > 0,
            "lesion": lesion > 0,
            "support": torch.from_numpy(support)[None],
            "scan": self.scans[row],
            "row": row,
            "z": self.z[row],
        }

    def _support(self, brain: np.ndarray) -> np.ndarray:
        if self.erosion_px is not None:
            return binary_erosion(brain, np.ones((self.erosion_px, self.erosion_px)))
        return erode(brain, self.erosion_mm, self.spacing)


def normal_slices(dataset_dir: str | Path, split: str = "train", gap: int = 0) -> Subset:
    """The slices of a split to train on: all of healthy scans, and of patients those whose `lesion_share` is 0.

    Args:
        dataset_dir: folder with `dataset.json`.
        split: name of a split of the manifest.
        gap: of a patient, also leave out as many slices on either side of one with a lesion, ≥ 0.

    Raises:
        PipelineError: unknown split, an unlabelled scan, a negative gap, or no slice is left.
    """
    if gap < 0:
        raise PipelineError(f"gap is a number of slices beside a lesion, ≥ 0; got {gap}")
    dataset = SliceDataset(dataset_dir, split)
    normal = np.ones(len(dataset), bool)
    if not all(item["healthy"] for item in dataset.items):
        paths = load_manifest(dataset_dir)["splits"][split]
        share = np.load(Path(dataset_dir) / paths["lesion_share"])
        for item in dataset.items:
            own = slice(*item["rows"])
            normal[own] = ~binary_dilation(share[own] > 0, np.ones(2 * gap + 1))
    if not normal.any():
        beside = f", with a gap of {gap}" if gap else ""
        raise PipelineError(f"split '{split}' in {dataset_dir} has no slice without a lesion to train on{beside}")
    return Subset(dataset, np.flatnonzero(normal).tolist())


def repeated(slices: Subset, at_least: int) -> Subset:
    """The slices, as often as it takes for `at_least` of them: an epoch of a small data set is no short one then.

    Args:
        slices: see `normal_slices`.
        at_least: number of slices; with as many or more there are no copies.
    """
    times = -(-at_least // max(len(slices), 1))
    return Subset(slices.dataset, [*slices.indices] * max(times, 1))


def atlas_slices(item: dict[str, Any]) -> list[int]:
    """Atlas index of each row of the scan `item`, bottom to top."""
    start, _, step = item.get("z", (-1, -1, 0))
    return [start + index * step for index in range(item["rows"][1] - item["rows"][0])]


def erode(mask: np.ndarray, width_mm: float, spacing: tuple[float, ...]) -> np.ndarray:
    """Keep the pixels of a mask that lie further than `width_mm` from the nearest pixel outside it.

    Args:
        mask: boolean array of any dimension; what lies beyond its frame counts as outside.
        width_mm: width of the removed rim in mm, ≥ 0.
        spacing: pixel size in mm along each axis.
    """
    if width_mm <= 0:
        return mask
    reach = [int(width_mm / size) + 1 for size in spacing]
    steps = np.ogrid[tuple(slice(-pixels, pixels + 1) for pixels in reach)]
    near = np.sqrt(sum((step * size) ** 2 for step, size in zip(steps, spacing, strict=True))) <= width_mm
    padded, kept = np.pad(mask, [(pixels, pixels) for pixels in reach]), mask.copy()
    for start in np.argwhere(near):  # a rim of a few pixels is a few shifts: ten times as fast as a distance map
        kept &= padded[tuple(slice(first, first + length) for first, length in zip(start, mask.shape, strict=True))]
    return kept


class ScanBatches(Sampler[list[int]]):
    """One batch a scan: all its slices, in order. Ranks take scans in turn, so no scan is split.

    With more ranks than scans those left over take the first scan too, which is counted once (`metrics.gather`).

    Args:
        subjects: the scans of these alone; None: all.
    """

    def __init__(
        self, dataset: SliceDataset, rank: int = 0, world_size: int = 1, subjects: Collection[str] | None = None
    ) -> None:
        items = [item for item in dataset.items if subjects is None or item["subject"] in subjects]
        self.items = items[rank::world_size] or items[:1]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[list[int]]:
        return (list(range(*item["rows"])) for item in self.items)


def _rank_and_world() -> tuple[int, int]:
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def training_loader(dataset: Dataset, batch_size: int, seed: int = 0, num_workers: int = 0) -> DataLoader:
    """Shuffled batches whose order depends on seed and epoch only, so that a resumed run sees the same batches."""
    rank, world = _rank_and_world()
    sampler: DistributedSampler = DistributedSampler(dataset, world, rank, shuffle=True, seed=seed)
    return DataLoader(dataset, batch_size=batch_size, sampler=sampler, num_workers=num_workers, pin_memory=_pinned())


def scan_loader(dataset: SliceDataset, num_workers: int = 0, subjects: Collection[str] | None = None) -> DataLoader:
    """Batches of whole scans (see ScanBatches), for inference and evaluation."""
    batches = ScanBatches(dataset, *_rank_and_world(), subjects=subjects)
    return DataLoader(dataset, batch_sampler=batches, num_workers=num_workers, pin_memory=_pinned())


def _pinned() -> bool:
    """Whether batches lie in memory that a GPU copies from while the host goes on."""
    return torch.cuda.is_available()
