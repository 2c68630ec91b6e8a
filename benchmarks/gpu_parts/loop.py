"""The whole training loop, loader and handlers included: images a second, and where it waits for the device."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from gpu_parts.bench import Bench, now
from gpu_parts.steps import installed, trainer_of

ROOT = Path(__file__).resolve().parents[2]


def measure(bench: Bench) -> None:
    for method in installed(bench)[: bench.full(5, 1)]:
        if bench.fits(f"loop of {method}", 10):
            with bench.attempt(f"loop of {method}"):
                of_method(bench, method)
    if bench.fits("profile of amcons", 15):
        with bench.attempt("profile of amcons"):
            profiled(bench, "amcons")


class Marks:
    """When the second epoch began and made its last step; in the third one, every wait for the device is a warning."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.start = self.stop = 0.0

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.EPOCH_STARTED, self._begin)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._end)

    def _begin(self, engine: Engine) -> None:
        if engine.state.epoch == 2:
            self.start = now(self.device)
        if engine.state.epoch == 3 and self.device == "cuda":
            torch.cuda.set_sync_debug_mode("warn")

    def _end(self, engine: Engine) -> None:
        if engine.state.iteration % (engine.state.epoch_length or 1):
            return
        if self.device == "cuda":
            torch.cuda.set_sync_debug_mode("default")
        if engine.state.epoch == 2:
            self.stop = now(self.device)


def of_method(bench: Bench, method: str) -> None:
    """Epochs 2 and 3 of a training; the first one loads kernels."""
    trainer, marks = trainer_of(bench, bench.device, method, runs_dir=str(bench.work / "loop")), Marks(bench.device)
    trainer.state.max_epochs = 3
    handled: list[float] = []
    trainer.add_event_handler(Events.EPOCH_STARTED(once=3), lambda _: handled.append(now(bench.device)))
    marks.attach(trainer)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        trainer.run()
    images = len(trainer.data_loader.dataset)
    row = {"images/s": round(images / (marks.stop - marks.start), 1)}
    row["with log and checkpoint"] = round(images / (handled[0] - marks.start), 1)
    waits = Counter(place(warning) for warning in found if "synchroniz" in str(warning.message))
    row["waits an epoch"] = sum(waits.values()) if bench.cuda else None
    name = "Training loop, the loader included"
    bench.add(name, method=method, device=bench.device, images=images, batch=trainer.data_loader.batch_size, **row)
    for where, times in waits.most_common(8):
        bench.add("Where a training loop waits for the GPU", method=method, place=where, times=times)


def place(warning: Any) -> str:
    path = Path(warning.filename)
    return f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name}:{warning.lineno}"


def profiled(bench: Bench, method: str, steps: int = 10) -> None:
    """What the device spends its time on in ten steps of the loop, and how long it is idle between them."""
    trainer = trainer_of(bench, bench.device, method, runs_dir=str(bench.work / "profile"))
    trainer.state.max_epochs = 1
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if bench.cuda else [])]
    profiler, marks = profile(activities=activities), []
    first = bench.full(5, 1)

    def mark(engine: Engine) -> None:
        marks.append(now(bench.device))
        profiler.start() if len(marks) == 1 else profiler.stop()

    at = Events.ITERATION_COMPLETED(event_filter=lambda _, i: i in (first, first + bench.full(steps, 1)))
    trainer.add_event_handler(at, mark)
    trainer.run()
    if len(marks) < 2:
        bench.left_out.append(f"profile of {method}: the training part has fewer than {first + steps} batches")
        return
    kind = DeviceType.CUDA if bench.cuda else DeviceType.CPU
    time_of = lambda event: event.self_device_time_total if bench.cuda else event.self_cpu_time_total  # noqa: E731
    events = [event for event in profiler.key_averages() if event.device_type == kind]
    whole, busy = 1e6 * (marks[1] - marks[0]), sum(map(time_of, events))
    table = f"Where the time of {method}'s loop goes"
    bench.add(table, what="all kernels", share=f"{100 * busy / whole:.0f} %", calls=sum(e.count for e in events))
    for event in sorted(events, key=time_of, reverse=True)[:10]:
        bench.add(table, what=event.key[:90], share=f"{100 * time_of(event) / whole:.1f} %", calls=event.count)
