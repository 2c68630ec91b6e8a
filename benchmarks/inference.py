"""Cost of restoration and of Monte-Carlo inference: `python benchmarks/inference.py [--device cuda] [--image-size 96]`.

Prints markdown tables. Restoration is compared with two loops of the same algorithm: one slice after the other, and all
slices in one pass but back-propagated slice by slice. CPU seconds are of one thread, so that other work on the machine
counts little; on a GPU, wall seconds.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from typing import Any

import torch

from pipeline.inferers import MonteCarlo, Restoration
from pipeline.losses import negative_elbo
from pipeline.networks import ResNetAutoencoder


def clock(device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


class SliceBySlice(Restoration):
    """The same, but the energy of each slice is back-propagated by itself with `backward()`."""

    def energy_and_gradient(self, restored: torch.Tensor, network: Any) -> tuple[torch.Tensor, torch.Tensor]:
        gradients = []
        with torch.enable_grad():
            leaf = restored.detach().requires_grad_()
            energy = negative_elbo(network(leaf), leaf)
            for index, value in enumerate(energy):
                value.backward(retain_graph=index + 1 < len(energy))
                gradients.append(leaf.grad[index].clone())
                leaf.grad = None
        network.zero_grad()
        return energy.detach(), torch.stack(gradients)


def restoration(device: str, size: int, slices: int, steps: int) -> None:
    torch.manual_seed(0)
    network = ResNetAutoencoder(size, 32).eval().to(device, memory_format=torch.channels_last)
    images = torch.rand(slices, 1, size, size, device=device)
    few = max(2, slices // 8)
    runs = {
        "one slice at a time": (lambda: SliceBySlice(steps, chunk=1)(images[:few], network), few),
        "one pass, back-propagated slice by slice": (lambda: SliceBySlice(steps, chunk=None)(images, network), slices),
    }
    for precision in ("fp32", "bf16"):
        inferer = Restoration(steps, chunk=None, precision=precision)
        runs[f"batched, {precision}"] = (lambda inferer=inferer: inferer(images, network), slices)
    inferer(images[:1], network)
    seconds, maps = {}, {}
    for name, (run, count) in runs.items():
        start = clock(device)
        maps[name] = run().map
        seconds[name] = (clock(device) - start) / count / (steps + 1)
    print(
        f"\nRestoration, {slices} slices of {size} px, {steps} steps, {device}, {torch.get_num_threads()} thread(s)\n"
    )
    print(
        "| | ms per slice and step | faster than one slice at a time "
        "| faster than slice by slice | largest difference |"
    )
    print("|---|---|---|---|---|")
    alone, by_slice = list(seconds)[:2]
    for name, cost in seconds.items():
        difference = (maps[name][:few] - maps[alone]).abs().max().item()
        ratios = f"{seconds[alone] / cost:.1f} × | {seconds[by_slice] / cost:.1f} ×"
        print(f"| {name} | {1000 * cost:.2f} | {ratios} | {difference:.1e} |")


def monte_carlo(device: str, size: int, slices: int, passes: int) -> None:
    """Run in a process of its own, whose peak memory is that of this alone."""
    network = ResNetAutoencoder(size, 32, dropout=0.2).eval().to(device, memory_format=torch.channels_last)
    images = torch.rand(slices, 1, size, size, device=device)
    start = time.process_time()
    with torch.no_grad():
        MonteCarlo(passes, precision="auto")(images, network)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**30
    print(f"| {slices} | {size} | {passes} | {peak:.2f} | {time.process_time() - start:.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--image-size", type=int, default=96)
    parser.add_argument("--slices", type=int, default=32)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--volume", type=int, default=155, help="slices of the Monte-Carlo volume")
    parser.add_argument("--passes", type=int, nargs="*", default=[2, 100])
    parser.add_argument("--only-monte-carlo", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.device == "cpu":
        torch.set_num_threads(1)
    if given.only_monte_carlo:
        monte_carlo(given.device, given.image_size, given.volume, given.passes[0])
        return
    restoration(given.device, given.image_size, given.slices, given.steps)
    print(
        "\nMonte-Carlo inference\n\n| slices | px | passes | peak memory, GiB | CPU s |\n|---|---|---|---|---|",
        flush=True,
    )
    for passes in given.passes:
        options = ["--device", given.device, "--image-size", str(given.image_size), "--volume", str(given.volume)]
        command = [sys.executable, __file__, "--only-monte-carlo", *options, "--passes", str(passes)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
