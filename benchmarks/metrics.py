"""Time, extra memory and value of average precision: the score histogram beside the libraries of the field.

    python benchmarks/metrics.py [--sizes 1 4 16 100] [--monai 1] [--scans 250]

Prints markdown. `CPU s` is the process's own time, less moved by what else the machine does. Extra memory is the peak
of the resident set above that before the call (Linux). Scores lie between 0 and 40: activation maps are unbounded.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from monai.metrics import AveragePrecisionMetric
from sklearn.metrics import average_precision_score, roc_auc_score
from torchmetrics.classification import BinaryAveragePrecision

from pipeline.metrics import Bounded, ScoreHistogram, auroc, average_precision, fixed, replicate

LESION_SHARE = 0.03
SCAN_VOXELS = 1_500_000
Pixels = tuple[torch.Tensor, torch.Tensor]


def pixels(n: int, seed: int = 0) -> Pixels:
    """Scores and labels: a skewed background, lesions a little brighter."""
    rng = np.random.default_rng(seed)
    lesion = rng.random(n, np.float32) < LESION_SHARE
    scores = np.square(np.square(rng.random(n, np.float32)))
    scores *= 28
    scores[lesion] += 12 * rng.random(int(lesion.sum()), np.float32)
    return torch.from_numpy(scores), torch.from_numpy(lesion)


def histogram_figures(scores: torch.Tensor, lesion: torch.Tensor) -> tuple[Bounded, Bounded]:
    """AP and AUROC from batches of the size of a scan."""
    histogram = ScoreHistogram()
    for i, parts in enumerate(zip(scores.split(SCAN_VOXELS), lesion.split(SCAN_VOXELS), strict=True)):
        histogram.update(parts[0].view(1, 1, -1), parts[1].view(1, 1, -1), None, [f"scan-{i}"])
    counts = histogram.pooled()
    return average_precision(counts), auroc(counts)


def monai_figure(scores: torch.Tensor, lesion: torch.Tensor) -> float:
    metric = AveragePrecisionMetric()
    metric(scores[:, None], lesion[:, None])
    return float(metric.aggregate())


def torchmetrics_figure(scores: torch.Tensor, lesion: torch.Tensor, **options: None) -> float:
    metric = BinaryAveragePrecision(**options)
    metric.update(scores, lesion.long())
    return float(metric.compute())


def memory(name: str) -> float:
    """VmRSS or VmHWM of this process in MB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


class Cost(NamedTuple):
    """Wall and processor seconds, extra MB."""

    wall: float
    cpu: float
    extra: float


def measured(call: Callable, *arguments: torch.Tensor) -> tuple[object, Cost]:
    """Result and cost of a call."""
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before, start, cpu = memory("VmRSS"), time.perf_counter(), time.process_time()
    result = call(*arguments)
    return result, Cost(time.perf_counter() - start, time.process_time() - cpu, memory("VmHWM") - before)


def row(size: str, name: str, cost: Cost, value: str, note: str = "") -> None:
    print(f"| {size} | {name} | {cost.wall:.2f} | {cost.cpu:.2f} | {cost.extra:,.0f} | {value} | {note} |", flush=True)


def compare(millions: int, monai_limit: int) -> None:
    data = pixels(millions * 1_000_000)
    size = f"{millions} M"
    (ap, roc), ours = measured(histogram_figures, *data)  # type: ignore[misc]
    row(size, "**ScoreHistogram** (AP and AUROC)", ours, bounds(ap), f"AUROC {bounds(roc)}")
    arrays = data[1].numpy(), data[0].numpy()
    exact, cost = measured(lambda *_: average_precision_score(*arrays))
    times = f"{cost.wall / ours.wall:.0f} times slower ({cost.cpu / ours.cpu:.0f} in CPU time)"
    row(size, "scikit-learn AP", cost, f"{exact:.6f}", f"{place(exact, ap)}; {times}")
    exact, cost = measured(lambda *_: roc_auc_score(*arrays))
    row(size, "scikit-learn AUROC", cost, f"{exact:.6f}", place(exact, roc))
    value, cost = measured(torchmetrics_figure, *data)
    row(size, "torchmetrics AP (default)", cost, f"{value:.6f}", "its sigmoid makes scores above 17 equal")
    value, cost = measured(lambda *d: torchmetrics_figure(*d, normalization=None), *data)
    row(size, "torchmetrics AP (`normalization=None`)", cost, f"{value:.6f}")
    if millions <= monai_limit:
        value, cost = measured(monai_figure, *data)
        row(size, "MONAI AveragePrecisionMetric", cost, f"{value:.6f}")


def place(exact: object, figure: Bounded) -> str:
    return "inside the bounds" if figure.lower <= exact <= figure.upper else "OUTSIDE the bounds"  # type: ignore[operator]


def bounds(figure: Bounded) -> str:
    return f"{figure.value:.6f} in [{figure.lower:.6f}, {figure.upper:.6f}], width {figure.upper - figure.lower:.1e}"


def bootstrap(scans: int) -> None:
    histogram, counting = ScoreHistogram(), 0.0
    for i in range(scans):
        scores, lesion = pixels(SCAN_VOXELS, seed=i)
        start = time.perf_counter()
        histogram.update(scores.view(1, 1, -1), lesion.view(1, 1, -1), None, [f"scan-{i:03}"])
        counting += time.perf_counter() - start
    samples, cost = measured(lambda: replicate(histogram, [fixed(20)], 1000))
    low, high = np.quantile(samples["auprc"], [0.025, 0.975])  # type: ignore[index]
    print(f"\n{scans} scans of {SCAN_VOXELS / 1e6:g} M voxels: counted in {counting:.1f} s;")
    print(f"1,000 patient replicates of AP, AUROC, Dice at 20 and oracle Dice in {cost.wall:.1f} s")
    print(f"({cost.cpu:.1f} CPU s, {cost.extra:,.0f} MB extra; AP 95 % {low:.4f} to {high:.4f}).")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[1, 4, 16, 100], help="millions of pixels")
    parser.add_argument("--monai", type=int, default=1, help="largest size for MONAI, whose loop takes minutes at 4")
    parser.add_argument("--scans", type=int, default=250, help="scans of the bootstrap, 0 for none")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f} at the start\n")
    histogram_figures(*pixels(10_000))
    print("| pixels | what | s | CPU s | extra MB | value | note |\n|---|---|---:|---:|---:|---|---|")
    for millions in options.sizes:
        compare(millions, options.monai)
    if options.scans:
        bootstrap(options.scans)


if __name__ == "__main__":
    main()
