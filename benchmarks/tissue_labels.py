"""Tissues by Atropos against the DLMUSE labels of the same IXI heads, on the heads' own 2 mm grid.

    python benchmarks/tissue_labels.py [--data ../shared/data] [--heads 12]

Prints Dice of CSF, GM and WM and the mean of GM and WM, with the T1 and with the FLAIR-like contrast. The brain is that
of the labels, which are those of another program (a network), not drawn by hand.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from prior import show

from preprocessing.config import build, load_config
from preprocessing.datasets import find_scans
from preprocessing.prior.tissues import tissue_dice
from preprocessing.scan import Scan
from preprocessing.space.grid import load_grid

# Regions of MUSE (Doshi et al. 2016, NeuroImage 127): fluid, and white matter with brain stem and ventral diencephalon;
# the others are cortex, deep grey matter, cerebellar cortex and vermis.
FLUID = (1, 4, 11, 46, 49, 50, 51, 52)
WHITE = (35, 40, 41, 44, 45, 61, 62, 69, *range(81, 96))


def tissues_of(regions: np.ndarray) -> np.ndarray:
    """Labels 1 CSF, 2 GM, 3 WM of regions [X, Y, Z]; 0 outside the brain."""
    labels = np.where(regions > 0, 2, 0)
    labels[np.isin(regions, FLUID)] = 1
    labels[np.isin(regions, WHITE)] = 3
    return labels


def segmented(scan: Scan) -> np.ndarray:
    """Labels of one head [X, Y, Z], by the steps that the prior takes; a contrast is made before, as `run` does."""
    config = load_config("base", {})
    load, *rest = build(config, "tissues").transforms  # type: ignore[attr-defined]
    data = load({"scan": scan})
    for step in [*(build(config, name) for name in ("reorient", "n4", "contrast")), *rest]:
        data = step(data)
    return data["tissues"][0].numpy()


def agreement(scans: Iterable[Scan], flair_like: bool) -> list[dict[str, float]]:
    """Dice of the tissues of each head."""
    return [
        tissue_dice(segmented(replace(scan, flair_like=flair_like)), tissues_of(np.rint(load_grid(scan.brain).array)))
        for scan in scans
    ]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--heads", type=int, default=12, help="the first of the folder, in the order of their names")
    given = parser.parse_args()
    scans = [
        replace(scan, brain=scan.image.with_name(scan.image.name.replace("_T1", "_DLMUSE")))
        for scan in find_scans("ixi", given.data / "ixi_2mm")[: given.heads]
    ]
    print("| comparison | scans | CSF | GM | WM | GM and WM |\n|---|---|---|---|---|---|")
    show("T1, with the labels of DLMUSE", agreement(scans, flair_like=False))
    show("FLAIR-like, with the labels of DLMUSE", agreement(scans, flair_like=True))


if __name__ == "__main__":
    main()
