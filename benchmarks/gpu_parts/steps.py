"""Training steps of methods of the catalogue: images a second in each precision, beside the loops of others."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import training as loops
from monai.data.utils import list_data_collate
from torch.utils.flop_counter import FlopCounterMode

from gpu_parts.bench import Bench, peak_gib, seconds_of, workflow
from pipeline.catalogue import available_methods
from pipeline.data import normal_slices

TABLE = "Training steps"
METHODS = ("vae", "amcons", "gradcamcons_log_barrier", "spa", "dae")
# without the perceptual term, whose feature network needs a file; `loops` has it at random weights
OVERRIDES: dict[str, dict[str, Any]] = {"spa": {"perceptual_weight": 0}}
LOOPS = ("GradCAMCons, hooks and two backward passes, float32", "SPA, plain float32 loop", "SPA, ours")
Step = Callable[[], torch.Tensor]


def measure(bench: Bench) -> None:
    for method in installed(bench):
        with bench.attempt(method):
            of_method(bench, method)
    for name in LOOPS[: bench.full(len(LOOPS), 1)]:
        for batch_size in sizes(bench):
            if bench.fits(f"{name}, batch {batch_size}", 5):
                with bench.attempt(f"{name}, batch {batch_size}"):
                    step = loops.make_step(name, bench.full(224, 32), batch_size, bench.device)
                    add(bench, name, batch_size, "benchmarks/training.py", step, bench.device)
    for method in installed(bench) if bench.cuda else []:
        if bench.fits(f"{method} on the CPU", 10):
            with bench.attempt(f"{method} on the CPU"):
                trainer = trainer_of(bench, "cpu", method)
                add(bench, method, 8, "bf16, channels last", ours(bench, trainer, 8), "cpu")


def sizes(bench: Bench) -> list[int]:
    return [8, 64] if bench.cuda else [2]


def installed(bench: Bench) -> list[str]:
    """METHODS without those that this version does not have, which are named."""
    missing = [f"{method}: no such method in this version" for method in sorted({*METHODS} - {*available_methods()})]
    bench.left_out.extend(line for line in missing if line not in bench.left_out)
    return [method for method in METHODS if method in available_methods()]


def of_method(bench: Bench, method: str) -> None:
    """One network for all variants, with its first weights again for each; memory formats change once."""
    trainer = trainer_of(bench, bench.device, method)
    first = copy.deepcopy(trainer.network.state_dict())
    for variant, make in list(VARIANTS.items())[: bench.full(len(VARIANTS), 2)]:
        for batch_size in sizes(bench):
            what = f"{method}, batch {batch_size}, {variant}"
            if bench.fits(what, 4):
                with bench.attempt(what):
                    trainer.network.load_state_dict(first)
                    add(bench, method, batch_size, variant, make(bench, trainer, batch_size), bench.device)


def add(bench: Bench, method: str, batch_size: int, variant: str, step: Step, device: str) -> None:
    loss = float(step())
    flops = convolution_flops(step)
    seconds = seconds_of(step, device, calls=bench.full(10, 1), rounds=bench.full(5, 1))
    peak = bench.peaks.get("bf16") if device == bench.device else None
    reached = flops / seconds / 1e12
    row = {"device": device, "images/s": round(batch_size / seconds, 1), "ms a step": round(1000 * seconds, 2)}
    row["GPU memory, GiB"] = peak_gib(step) if device == "cuda" else None
    row["TFLOP/s of convolutions"] = round(reached, 2)
    row["share of the bf16 product"] = f"{100 * reached / peak:.0f} %" if peak else None
    bench.add(TABLE, method=method, batch=batch_size, variant=variant, **row, loss=round(loss, 1))


def convolution_flops(step: Step) -> int:
    """Of one step, forward and backward."""
    with FlopCounterMode(display=False) as counter:
        step()
    return sum(count for op, count in counter.get_flop_counts()["Global"].items() if "convolution" in str(op))


def plain(bench: Bench, trainer: Any, batch_size: int) -> Step:
    """A plain loop: float32 (convolutions in TF32 on a GPU, as torch does by itself), channels first."""
    trainer.network.to(memory_format=torch.contiguous_format)
    return step_of(bench, trainer, lambda image, network: network(image), batch_size)


def ours(bench: Bench, trainer: Any, batch_size: int) -> Step:
    """As the method is trained: its precision on this device, channels last, convolutions that repeat their bytes."""
    trainer.network.to(memory_format=torch.channels_last)
    return step_of(bench, trainer, trainer.inferer, batch_size)


def by_speed(bench: Bench, trainer: Any, batch_size: int) -> Step:
    """The same, where cuDNN may choose convolutions by their speed, which do not repeat their bytes."""
    step = ours(bench, trainer, batch_size)

    def fast() -> torch.Tensor:
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=True):
            return step()

    return fast


VARIANTS: dict[str, Callable[[Bench, Any, int], Step]] = {
    "float32": plain,
    "bf16, channels last": ours,
    "the same, cuDNN chooses by speed": by_speed,
}


def trainer_of(bench: Bench, device: str, method: str, **override: Any) -> Any:
    """The trainer of a method with its network, loss and optimizer."""
    flow = workflow(bench, device, method, **OVERRIDES.get(method, {}), **override)
    return flow.parser.get_parsed_content("train::trainer")


def step_of(bench: Bench, trainer: Any, forward: Callable[..., Any], batch_size: int) -> Step:
    """A step of the trainer on one batch that lies on the device; the same draws in every step."""
    inputs, batch = batch_of(bench, trainer, batch_size)
    trainer.network.train()

    def step() -> torch.Tensor:
        torch.manual_seed(0)
        trainer.optimizer.zero_grad(set_to_none=True)
        loss = trainer.loss_function(forward(inputs, trainer.network), batch)
        loss.backward()
        trainer.optimizer.step()
        return loss.detach()

    return step


def batch_of(bench: Bench, trainer: Any, batch_size: int) -> tuple[torch.Tensor, dict[str, Any]]:
    slices = normal_slices(bench.sample)
    items = list_data_collate([slices[index % len(slices)] for index in range(batch_size)])
    torch.manual_seed(0)
    return trainer.prepare_batch(items, trainer.state.device)


def compiled(bench: Bench) -> None:
    """The steps of `ours` with the network through torch.compile; a part of its own, since compiling takes long."""
    for batch_size in reversed(sizes(bench)):
        for method in installed(bench)[: bench.full(len(METHODS), 1)]:
            what = f"{method}, batch {batch_size}, torch.compile"
            if bench.fits(what, 30):
                with bench.attempt(what):
                    one_compiled(bench, method, batch_size)


def one_compiled(bench: Bench, method: str, batch_size: int) -> None:
    torch.compiler.reset()
    trainer = trainer_of(bench, bench.device, method)
    # without a GPU only the tracing is tried, as the compiler for CPUs takes minutes
    network = torch.compile(trainer.network, dynamic=False, backend="inductor" if bench.cuda else "eager")
    step = step_of(bench, trainer, partial(forward_through, trainer.inferer, network), batch_size)
    loss = float(step())
    seconds = seconds_of(step, bench.device, calls=bench.full(10, 1), rounds=bench.full(5, 1))
    row = {"images/s": round(batch_size / seconds, 1), "ms a step": round(1000 * seconds, 2), "loss": round(loss, 1)}
    bench.add("Training steps through torch.compile", method=method, batch=batch_size, device=bench.device, **row)


def forward_through(inferer: Any, compiled_network: Any, image: torch.Tensor, network: Any) -> Any:
    return inferer(image, compiled_network)
