"""How well the tissues of a prior agree with the labels of SRI-24, and with another contrast of the same heads.

    python -m preprocessing prior --dataset DATASET --out PRIOR
    python -m preprocessing prior --default --dataset DATASET --out DEFAULT
    python benchmarks/prior.py --data ../shared/data --prior PRIOR --default DEFAULT [--same T1_PRIOR]

Prints Dice of CSF, GM and WM, and the mean of GM and WM.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor

from preprocessing.config import build, load_config
from preprocessing.prior.maps import class_maps
from preprocessing.prior.tissues import tissue_dice
from preprocessing.scan import Scan
from preprocessing.space.grid import load_grid


def show(name: str, values: Sequence[dict[str, float]]) -> None:
    """A row of the table: means over scans."""
    mean = {key: float(np.mean([value[key] for value in values])) for key in values[0]}
    both = (mean["GM"] + mean["WM"]) / 2
    print(f"| {name} | {len(values)} | {' | '.join(f'{value:.3f}' for value in (*mean.values(), both))} |", flush=True)


def atlas_itself(folder: Path, labels: np.ndarray) -> dict[str, float]:
    """The atlas T1, segmented as a scan is but for N4, against the labels of the atlas."""
    path = folder / "sri24_t1.nii.gz"
    t1 = load_grid(path)
    tensors = {
        key: MetaTensor(torch.from_numpy(array.astype(np.float32))[None], affine=t1.affine)
        for key, array in (("image", t1.array), ("brain", t1.array > 0))
    }
    segment = build(load_config("base", {}), "tissues").transforms[-1]  # type: ignore[attr-defined]
    scan = Scan("sub-SRI24", "sub-SRI24", "T1", path, healthy=True)
    return tissue_dice(segment({"scan": scan, **tensors})["tissues"][0].numpy(), labels)


def most_likely(maps: np.ndarray) -> np.ndarray:
    """Labels of the class with the largest mean, [W, H, S]."""
    return np.array([1, 2, 3, 0])[maps.argmax(axis=-1)]


def mean_of(prior: Path) -> np.ndarray:
    """The mean maps [W, H, S, 4] of a prior."""
    return np.asarray(nib.Nifti1Image.from_filename(prior / "mean.nii.gz").dataobj)


def spread(prior: Path) -> float:
    """Variance of a prior as a share of `mean (1 − mean)`, over the pixels where that is above 0.01."""
    mean = mean_of(prior)
    largest = mean * (1 - mean)
    variance = np.asarray(nib.Nifti1Image.from_filename(prior / "variance.nii.gz").dataobj)
    return float(variance[largest > 0.01].sum() / largest[largest > 0.01].sum())


def segmentations(prior: Path) -> dict[str, Path]:
    """Paths by scan."""
    names = [item["id"] for item in json.loads((prior / "prior.json").read_text())["items"]]
    return {name: next((prior / "segmentations").glob(f"{name}_space-*_dseg.nii.gz")) for name in names}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--prior", type=Path, required=True)
    parser.add_argument("--default", type=Path, required=True)
    parser.add_argument("--same", type=Path, help="a prior whose scans are the same heads with another contrast")
    arguments = parser.parse_args()

    labels = np.rint(load_grid(arguments.data / "sri24" / "sri24_tissues.nii.gz").array)
    print("| comparison | scans | CSF | GM | WM | GM and WM |\n|---|---|---|---|---|---|")
    show("T1 of SRI-24 by Atropos, with the labels of SRI-24", [atlas_itself(arguments.data / "sri24", labels)])
    for name, prior in (("this prior", arguments.prior), ("ICBM152", arguments.default)):
        mean = mean_of(prior)
        atlas = most_likely(class_maps([labels == label for label in (1, 2, 3)], mean.shape[0]))
        show(f"most likely tissue of {name}, with the labels of SRI-24", [tissue_dice(most_likely(mean), atlas)])
    paths = segmentations(arguments.prior)
    show("each scan, with the labels of SRI-24", [tissue_dice(load_grid(p).array, labels) for p in paths.values()])
    if arguments.same:
        others = {name: path for name, path in segmentations(arguments.same).items() if name in paths}
        pairs = [(load_grid(paths[name]).array, load_grid(path).array) for name, path in others.items()]
        show("the same heads with the other contrast", [tissue_dice(one, other) for one, other in pairs])
    print(f"\nvariance of this prior: {spread(arguments.prior):.2f} of mean (1 − mean)")


if __name__ == "__main__":
    main()
