"""Average precision of many pixels: the score histogram beside torchmetrics and scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch

from gpu_parts.bench import Bench, now, peak_gib
from pipeline.metrics import ScoreHistogram, auroc, average_precision

TABLE = "Average precision of many pixels"
SCAN_VOXELS = 1_500_000
LESION_SHARE = 0.03


def measure(bench: Bench) -> None:
    if find_spec("sklearn") is None or find_spec("torchmetrics") is None:
        bench.left_out.append("scikit-learn or torchmetrics: not installed (extra `bench`)")
    for device in bench.devices:
        for millions in [16, 100] if bench.cuda else [1]:
            data = pixels(bench.full(millions * 1_000_000, 300_000), device)
            size = f"{len(data[0]) / 1e6:g} M"
            for name, (call, seconds) in candidates(device).items():
                # what the libraries take grows a little faster than the number of pixels
                if bench.fits(f"{name}, {size} pixels, {device}", seconds * len(data[0]) / 1e8):
                    with bench.attempt(f"{name}, {size} pixels, {device}"):
                        add(bench, device, size, name, lambda call=call, data=data: call(*data))


def pixels(count: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores and labels, the same on every device: a skewed background, lesions a little brighter (simulated)."""
    generator = torch.Generator().manual_seed(0)
    scores = 28 * torch.rand(count, generator=generator) ** 4
    lesion = torch.rand(count, generator=generator) < LESION_SHARE
    scores += 12 * torch.rand(count, generator=generator) * lesion
    return scores.to(device), lesion.to(device)


def candidates(device: str) -> dict[str, tuple[Callable[..., float], float]]:
    """Name -> the function, and about how many seconds 100 M pixels take it."""
    found: dict[str, tuple[Callable[..., float], float]] = {
        "ScoreHistogram, AP and AUROC": (histogram, 10 if device == "cpu" else 1),
    }
    if find_spec("torchmetrics"):
        found["torchmetrics AP (`normalization=None`)"] = (by_torchmetrics, 250 if device == "cpu" else 5)
    if find_spec("sklearn") and device == "cpu":
        found["scikit-learn AP"] = (by_scikit_learn, 60)
    return found


def add(bench: Bench, device: str, size: str, name: str, call: Callable[[], float]) -> None:
    """A row; the first call, which does not count on a GPU, also loads its kernels."""
    memory = peak_gib(call) if device == "cuda" else None
    start = now(device)
    value = call()
    row = {"device": device, "seconds": round(now(device) - start, 4), "GPU memory, GiB": memory}
    bench.add(TABLE, pixels=size, what=name, **row, value=round(value, 6))


def count(scores: torch.Tensor, lesion: torch.Tensor) -> ScoreHistogram:
    """In batches of the size of a scan."""
    found = ScoreHistogram()
    for i, part in enumerate(zip(scores.split(SCAN_VOXELS), lesion.split(SCAN_VOXELS), strict=True)):
        found.update(part[0].view(1, 1, -1), part[1].view(1, 1, -1), None, [f"scan-{i}"])
    return found


def histogram(scores: torch.Tensor, lesion: torch.Tensor) -> float:
    counts = count(scores, lesion).pooled()
    auroc(counts)
    return average_precision(counts).value


def by_torchmetrics(scores: torch.Tensor, lesion: torch.Tensor) -> float:
    from torchmetrics.classification import BinaryAveragePrecision

    options: dict[str, Any] = {"normalization": None}
    metric = BinaryAveragePrecision(**options).to(scores.device)
    metric.update(scores, lesion.long())
    return float(metric.compute())


def by_scikit_learn(scores: torch.Tensor, lesion: torch.Tensor) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(lesion.numpy(), scores.numpy()))
