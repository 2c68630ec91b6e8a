"""Write panoptica_reference.csv beside this file: what Panoptica says of the masks of `masks` and of `parts`.

Panoptica 2.1.7 asks for a NumPy below 2.3, so it lives in an environment of its own:

    python -m venv /tmp/panoptica && /tmp/panoptica/bin/pip install panoptica==2.1.7
    /tmp/panoptica/bin/python tests/metrics/panoptica_reference.py
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

CASES, SPLITS = 12, 3
SHAPE = (24, 24, 24)
FILE = Path(__file__).with_name("panoptica_reference.csv")


def masks(case: int) -> tuple[np.ndarray, np.ndarray]:
    """Label and mask: lesions in a lattice, each moved by a voxel, cut at a corner, or missed; false objects elsewhere.

    An object of the mask touches one lesion at most, and the other way round, so that Panoptica's matches, which are
    one to one, are all that touch.
    """
    rng = np.random.default_rng(case)
    label, mask = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    for corner in np.ndindex(3, 3, 3):
        at, size = 1 + 8 * np.array(corner), rng.integers(2, 5, 3)
        lesion = tuple(slice(start, start + side) for start, side in zip(at, size, strict=True))
        moved = tuple(
            slice(part.start + step, part.stop + step) for part, step in zip(lesion, rng.integers(0, 2, 3), strict=True)
        )
        kind = rng.choice(["none", "found", "missed", "false", "corner"], p=[0.4, 0.25, 0.1, 0.15, 0.1])
        label[lesion] |= kind in ("found", "missed", "corner")
        mask[moved] |= kind in ("found", "false")
        if kind == "corner":  # two halves of the mask that meet in a corner alone are one object
            mask[tuple(at)] = mask[tuple(at + 1)] = True
    return label, mask


def parts(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rods, and the same without some of their middles: two or three pieces each; one rod and one piece are alone."""
    rng = np.random.default_rng(seed)
    whole, broken = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    for at in np.ndindex(3, 3):
        x, y = 1 + 8 * np.array(at)
        whole[x : x + 3, y : y + 3, 2:22] = broken[x : x + 3, y : y + 3, 2:22] = True
        for cut in rng.choice([6, 10, 14, 18], rng.integers(0, 3), replace=False):
            broken[x : x + 3, y : y + 3, cut : cut + 2] = False
    broken[:8, :8] = whole[-8:, :8] = False
    return whole, broken


def panoptica_of(label: np.ndarray, mask: np.ndarray, *, joined: bool = False) -> dict[str, float]:
    """Its lesion-wise counts and F1 (recognition quality), and the Dice of all voxels.

    Args:
        joined: several objects may match one lesion.
    """
    from panoptica import (
        ConnectedComponentsInstanceApproximator,
        InputType,
        NaiveThresholdMatching,
        Panoptica_Evaluator,
    )
    from panoptica.metrics import Metric

    evaluator = Panoptica_Evaluator(
        expected_input=InputType.SEMANTIC,
        instance_approximator=ConnectedComponentsInstanceApproximator(),
        instance_matcher=NaiveThresholdMatching(
            matching_metric=Metric.IOU, matching_threshold=1e-9, allow_many_to_one=joined
        ),
        instance_metrics=[Metric.DSC],
        global_metrics=[Metric.DSC],
    )
    found = evaluator.evaluate(mask.astype(np.uint8), label.astype(np.uint8), verbose=False)
    result = next(iter(found.values())) if isinstance(found, dict) else found
    names = {"tp": "tp", "fp": "fp", "fn": "fn", "f1": "rq", "dice": "global_bin_dsc"}
    return {name: float(getattr(result, key)) for name, key in names.items()}


if __name__ == "__main__":
    rows = [{"kind": "apart", "case": case, **panoptica_of(*masks(case))} for case in range(CASES)]
    for case in range(SPLITS):
        whole, broken = parts(case)
        rows.append({"kind": "split", "case": case, **panoptica_of(whole, broken, joined=True)})
        rows.append({"kind": "merged", "case": case, **panoptica_of(broken, whole, joined=True)})
    with FILE.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
