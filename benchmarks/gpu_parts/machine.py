"""The machine, and the most that it reaches: a matrix product and a copy of memory."""

from __future__ import annotations

import os

import torch

from gpu_parts.bench import Bench, seconds_of

# precision: dtype, and whether float32 products may be rounded to TF32 (as torch lets cuDNN's convolutions by default)
PRODUCTS = {"bf16": (torch.bfloat16, False), "tf32": (torch.float32, True), "float32": (torch.float32, False)}


def measure(bench: Bench) -> None:
    for device in bench.devices:
        size = 8192 if device == "cuda" else bench.full(2048, 256)
        for name, (dtype, rounded) in PRODUCTS.items():
            if rounded and device == "cpu":
                continue
            teraflops = 2 * size**3 / product(device, size, dtype, rounded) / 1e12
            if device == bench.device:
                bench.peaks[name] = teraflops
            row = {"device": label(device), "what": f"matrix product {size}³, {name}", "TFLOP/s": round(teraflops, 2)}
            bench.add("Machine", **row, **{"GB/s": None})
        gigabytes = copied(device, bench.full(2**30, 2**20))
        what = "copy on the device, bytes read and written"
        bench.add("Machine", device=label(device), what=what, **{"TFLOP/s": None, "GB/s": round(gigabytes)})


def label(device: str) -> str:
    if device == "cuda":
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    return f"CPU, {os.cpu_count()} cores, {torch.get_num_threads()} threads"


def product(device: str, size: int, dtype: torch.dtype, rounded: bool) -> float:
    """Seconds of the product of two random matrices."""
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = rounded
    try:
        return seconds_of(lambda: left @ right, device, at_most=1.0)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def copied(device: str, count: int) -> float:
    """GB a second."""
    source = torch.randn(count, device=device)
    target = torch.empty_like(source)
    return 2 * 4 * count / seconds_of(lambda: target.copy_(source), device, at_most=1.0) / 1e9
