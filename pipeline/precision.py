"""Which arithmetic a device is fast in."""

from __future__ import annotations

import contextlib

import torch

from pipeline.errors import check_choice

PRECISIONS = ("auto", "bf16", "fp32")


def has_fast_bf16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 run on units of their own: CUDA ≥ 8.0, or a CPU with AVX512-BF16 or AMX."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager:
    """Autocast context for `precision`: `fp32` none, `bf16` always, `auto` where the device has units for it.

    Raises:
        PipelineError: another precision.
    """
    check_choice("precision", precision, PRECISIONS)
    if precision == "fp32" or (precision == "auto" and not has_fast_bf16(device)):
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
