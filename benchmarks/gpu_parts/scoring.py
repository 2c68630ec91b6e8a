"""Whole volumes: 155 slices, Monte-Carlo inference of 100 passes, restoration of 100 steps."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from gpu_parts.bench import Bench, now, peak_gib, workflow

TABLE = "Scoring a volume of 155 slices"
SLICES, SHORT_SLICES = 155, 8


class Scored(NamedTuple):
    """How a method is scored: `short`, overrides for the CPU, which does 1/`share` of the network's passes a slice;
    `at_once`, the attribute of its inferer that says how many slices are at work at a time."""

    short: dict[str, Any]
    share: float
    at_once: str


METHODS = {
    "vae": Scored({}, 1, "chunk"),
    "amcons": Scored({}, 1, "chunk"),
    "gradcamcons_log_barrier": Scored({}, 1, "chunk"),
    "bayesian_vae": Scored({"inferer#passes": 2}, 100 / 2, "images"),
    "restoration_vae": Scored({"inferer#steps": 1}, 101 / 2, "chunk"),
}


def measure(bench: Bench) -> None:
    for method, how in METHODS.items():
        if bench.cuda:
            for slices_at_once in (None, SLICES):
                if bench.fits(f"{method} on cuda", 10):
                    with bench.attempt(f"{method} on cuda"):
                        on_gpu(bench, method, how, slices_at_once)
        if bench.fits(f"{method} on the CPU", 10):
            with bench.attempt(f"{method} on the CPU"):
                on_cpu(bench, method, how)


def on_gpu(bench: Bench, method: str, how: Scored, at_once: int | None) -> None:
    call = scoring(bench, "cuda", method, {}, SLICES, {how.at_once: at_once} if at_once else {})
    memory = peak_gib(call)
    start = now("cuda")
    call()
    row = {"seconds": round(now("cuda") - start, 3), "GPU memory, GiB": memory, "scaled from": None}
    bench.add(TABLE, method=method, device="cuda", **{"slices at once": at_once or "as the method has it"}, **row)


def on_cpu(bench: Bench, method: str, how: Scored) -> None:
    """Fewer slices and passes, scaled: their cost is proportional."""
    slices = SHORT_SLICES if bench.cuda else 2
    call = scoring(bench, "cpu", method, how.short, slices, {})
    start = now("cpu")
    call()
    seconds = (now("cpu") - start) * SLICES / slices * how.share
    row = {"seconds": round(seconds, 1), "GPU memory, GiB": None, "scaled from": f"{slices} slices, {how.short}"}
    bench.add(TABLE, method=method, device="cpu", **{"slices at once": "as the method has it"}, **row)


def scoring(
    bench: Bench, device: str, method: str, override: dict[str, Any], slices: int, attributes: dict[str, Any]
) -> Any:
    """A call that scores a volume; weights are random, on which the cost does not depend."""
    get = workflow(bench, device, method, **override).parser.get_parsed_content
    inferer, network, size = get("inferer"), get("network").eval(), get("image_size")
    for name, value in attributes.items():
        setattr(inferer, name, value)
    volume = torch.rand(slices, 1, size, size, generator=torch.Generator().manual_seed(0)).to(device)

    def call() -> torch.Tensor:
        with torch.no_grad():
            return inferer(volume, network)

    return call
