"""Cost of a training step: `python benchmarks/training.py [--sizes 96 224] [--batch 8] [--steps 3]`; prints markdown.

`--rows SPA --sizes 128` measures those rows alone; VGG16 has random weights, on which its cost does not depend.

Ours is the step of the bundles: autocast to bfloat16, channels last, features computed once, one backward pass,
Grad-CAM by one `autograd.grad` through a batch norm whose second derivative is cheap. It is compared with a plain
float32 loop of the same network and losses, and for Grad-CAM with hooks and two backward passes. All take turns in one
process, so that other work on the machine meets them alike; on a CPU the time is that of the process in one thread.
Peak memory is that of a process of its own for each.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline.attention import enlarge
from pipeline.inferers import Forward
from pipeline.losses import ActivationEntropy, ImageObjective, KLToShapePrior, LogBarrier, Objective, SizeConstraint
from pipeline.networks import ResNetAutoencoder, SpatialVAE, VGGFeatures, twice_differentiable
from pipeline.networks.features import POOL
from pipeline.prior import ShapePrior


class PlainGradCAM(SizeConstraint):
    """The same constraint by hooks and two backward passes; the first one fills the gradients of all parameters too."""

    def __init__(self, network: ResNetAutoencoder) -> None:
        super().__init__(LogBarrier(10.0))
        self.networks = [network]
        network.stages[0].register_forward_hook(self._keep)

    def _keep(self, module: nn.Module, inputs: Any, features: torch.Tensor) -> None:
        features.retain_grad()
        self.features = features

    def forward(self, output: Any, batch: dict[str, Any]) -> torch.Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # backward(create_graph=True) warns of reference cycles
            output.mu.sum().backward(create_graph=True)
        alpha = self.features.grad.float().mean(dim=(2, 3), keepdim=True)
        self.features.grad = None
        self.networks[0].zero_grad(set_to_none=True)
        attention = torch.sigmoid((alpha * self.features.float()).sum(dim=1, keepdim=True))
        size = batch["image"].shape[-2:]
        return self.of_map(enlarge(attention, size), torch.ones_like(batch["brain"])).sum()


def vgg() -> VGGFeatures:
    """VGG16 up to relu2_2, at random weights."""
    widths = [(3, 64), (64, 64), (64, 128), (128, 128)]
    layers: list[Any] = [(torch.randn(o, i, 3, 3) / (3 * i**0.5), torch.zeros(o)) for i, o in widths]
    return VGGFeatures([*layers[:2], POOL, *layers[2:]], (4,), normalised=True)


def spa(network: Any, size: int, precision: str, features: nn.Module | None = None) -> nn.Module:
    """With a prior that is the same everywhere; the perceptual term needs the features."""
    prior = ShapePrior(torch.full((1, 4, size, size), 0.25), torch.full((1, 4, size, size), 0.1), 0, 1)
    return ImageObjective(KLToShapePrior(prior), 1e-3, features, 0.1 if features else 0.0, precision)


# of each method `size -> network` and `(network, size, precision) -> loss`, at the paper's weights
resnet, spatial = partial(ResNetAutoencoder, latent_size=32), partial(SpatialVAE, heads="sigmoid")
METHODS: dict[str, tuple[Callable[..., nn.Module], Callable[..., nn.Module]]] = {
    "VAE": (resnet, lambda *_: Objective()),
    "AMCons": (resnet, lambda *_: Objective(10.0, ActivationEntropy(), 0.1)),
    "GradCAMCons, hooks": (resnet, lambda network, *_: Objective(1.0, PlainGradCAM(network), 1000.0)),
    "GradCAMCons": (
        lambda size: twice_differentiable(resnet(size)),
        lambda *_: Objective(1.0, SizeConstraint(LogBarrier(10.0)), 1000.0),
    ),
    "SPA without the perceptual term": (spatial, spa),
    "SPA": (spatial, lambda *given: spa(*given, vgg())),
}
HOOKED, OTHERWISE = (f"GradCAMCons, hooks and two backward passes, {how}" for how in ("float32", "ours otherwise"))
VARIANTS = {
    "VAE, plain float32 loop": ("VAE", "fp32"),
    "VAE, ours": ("VAE", "auto"),
    "AMCons, plain float32 loop": ("AMCons", "fp32"),
    "AMCons, ours": ("AMCons", "auto"),
    HOOKED: ("GradCAMCons, hooks", "fp32"),
    OTHERWISE: ("GradCAMCons, hooks", "auto"),
    "GradCAMCons, ours": ("GradCAMCons", "auto"),
    "SPA without the perceptual term, plain float32 loop": ("SPA without the perceptual term", "fp32"),
    "SPA without the perceptual term, ours": ("SPA without the perceptual term", "auto"),
    "SPA, plain float32 loop": ("SPA", "fp32"),
    "SPA, ours": ("SPA", "auto"),
}


def make_step(name: str, size: int, batch_size: int, device: str) -> Callable[[], torch.Tensor]:
    """A training step that returns its loss; weights, images and draws are the same in all variants of a network."""
    method, precision = VARIANTS[name]
    make_network, make_loss = METHODS[method]
    torch.manual_seed(0)
    image = torch.rand(batch_size, 1, size, size).to(device)
    network: Any = make_network(size).to(device)
    forward: Callable[..., Any] = lambda image, net: net(image)  # noqa: E731
    if precision != "fp32":
        network, forward = network.to(memory_format=torch.channels_last), Forward(precision)
    loss = make_loss(network, size, precision).to(device)
    optimizer = torch.optim.Adam(network.parameters(), 1e-5, fused=precision != "fp32")
    batch = {"image": image, "brain": torch.ones_like(image, dtype=torch.bool), "z": torch.zeros(batch_size).long()}

    def step() -> torch.Tensor:
        torch.manual_seed(0)
        optimizer.zero_grad(set_to_none=True)
        total = loss(forward(image, network), batch)
        total.backward()
        optimizer.step()
        return total.detach()

    return step


def clock(device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def peak_gib(name: str, size: int, batch_size: int, device: str) -> str:
    options = ["--sizes", str(size), "--batch", str(batch_size), "--device", device, "--only", name]
    done = subprocess.run([sys.executable, __file__, *options], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def only(name: str, size: int, batch_size: int, device: str) -> None:
    """Run in a process of its own: two steps, then the peak of its memory in GiB."""
    step = make_step(name, size, batch_size, device)
    step(), step()
    if device == "cuda":
        print(f"{torch.cuda.max_memory_allocated() / 2**30:.2f}")
        return
    status = Path("/proc/self/status").read_text()  # getrusage would give the peak of the parent process too
    kilobytes = int(status.split("VmHWM:")[1].split()[0])
    print(f"{kilobytes / 2**20:.2f}")


def compare(size: int, batch_size: int, steps: int, device: str, rows: str) -> None:
    """Print the table of one image size: the fastest of `steps` rounds, in which all variants take turns."""
    made = {name: make_step(name, size, batch_size, device) for name in VARIANTS if name.startswith(rows)}
    losses = {name: float(step()) for name, step in made.items()}  # the first step, not timed
    seconds: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(steps):
        for name, step in made.items():
            start = clock(device)
            step()
            seconds[name].append(clock(device) - start)
    best = {name: min(values) for name, values in seconds.items()}
    unit = "s" if device == "cuda" else "CPU s"
    print(f"\n{size} px, batch {batch_size}, {device}, {torch.get_num_threads()} thread(s), best of {steps}\n")
    print(
        f"| | {unit} per step | images per {unit} | peak memory, GiB | loss of the first step |\n|---|---|---|---|---|"
    )
    for name, value in best.items():
        memory = peak_gib(name, size, batch_size, device)
        print(f"| {name} | {value:.3f} | {batch_size / value:.2f} | {memory} | {losses[name]:.1f} |", flush=True)
    if not rows:
        conclude(best)


def conclude(best: dict[str, float]) -> None:
    """Print the ratios of the attention methods."""
    ratio = lambda a, b: f"{best[a] / best[b]:.2f}"  # noqa: E731
    print(f"\nAMCons: {ratio('AMCons, plain float32 loop', 'AMCons, ours')} × the plain float32 loop.", end=" ")
    print(f"GradCAMCons: {ratio('GradCAMCons, ours', 'VAE, ours')} × the cost of its VAE's step;", end=" ")
    print(f"{ratio(HOOKED, 'GradCAMCons, ours')} × as fast as hooks in float32,", end=" ")
    print(f"{ratio(OTHERWISE, 'GradCAMCons, ours')} × as fast as hooks otherwise alike.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--sizes", type=int, nargs="*", default=[96, 224])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rows", default="", help="beginning of the names of the rows to measure; all without it")
    parser.add_argument("--only", choices=list(VARIANTS), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.device == "cpu":
        torch.set_num_threads(1)
    for size in given.sizes:
        if given.only:
            only(given.only, size, given.batch, given.device)
        else:
            compare(size, given.batch, given.steps, given.device, given.rows)


if __name__ == "__main__":
    main()
