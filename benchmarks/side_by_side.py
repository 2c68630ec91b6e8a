"""What other work on the machine costs a training: `python benchmarks/side_by_side.py [--steps 4] [--size 96]`.

Prints markdown: wall time of the same steps of a VAE's training alone, of two such trainings started at once, and of
one beside a busy loop. `chosen` is what `pipeline.threads` does; the other rows set variables, which win. Under
`default`, libgomp's own way, two at once may take a minute; `--rows chosen "one thread"` leaves it out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from typing import Any

ROWS: dict[str, dict[str, str]] = {
    "chosen": {},
    "one thread": {"OMP_NUM_THREADS": "1"},
    "all cores, passive": {"OMP_NUM_THREADS": str(os.cpu_count()), "OMP_WAIT_POLICY": "PASSIVE"},
    "default": {"OMP_NUM_THREADS": str(os.cpu_count()), "GOMP_SPINCOUNT": "300000"},  # libgomp's own count
}
OURS = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "MKL_NUM_THREADS")


def train(steps: int, size: int) -> None:
    """The process that is measured: says `ready`, waits for a line, makes the steps, prints seconds and threads."""
    from pipeline import threads

    threads.begin()
    import torch

    from pipeline.inferers import Forward
    from pipeline.losses import Objective
    from pipeline.networks import ResNetAutoencoder

    threads.settle()
    torch.manual_seed(0)
    network = ResNetAutoencoder(size, latent_size=32).to(memory_format=torch.channels_last)
    image, forward, loss = torch.rand(8, 1, size, size), Forward(precision="auto"), Objective()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        loss(forward(image, network), {"image": image, "brain": torch.ones_like(image)}).backward()
        optimizer.step()

    step()
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.perf_counter()
    for _ in range(steps):
        step()
    print(time.perf_counter() - began, torch.get_num_threads(), flush=True)


def measure(variables: dict[str, str], arguments: list[str], trainings: int, loops: int) -> tuple[float, str]:
    """Seconds until the last of `trainings` is done beside `loops` busy loops, and their numbers of threads."""
    environment = {name: value for name, value in os.environ.items() if name not in OURS} | variables
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    command = [sys.executable, __file__, "--train", *arguments]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    found = [subprocess.Popen(command, env=environment, **pipes) for _ in range(trainings)]
    try:
        for training in found:
            training.stdout.readline()
        for training in found:
            training.stdin.write("\n")
            training.stdin.flush()
        results = [training.communicate()[0].split() for training in found]
    finally:
        for process in (*others, *found):
            process.kill()
            process.wait()
    return max(float(seconds) for seconds, _ in results), "+".join(threads for _, threads in results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--train", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        train(arguments.steps, arguments.size)
        return
    passed = ["--steps", str(arguments.steps), "--size", str(arguments.size)]
    print("| threads | alone, s | two at once, s | times one | beside a busy loop, s | times one | threads of each |")
    print("|---|---:|---:|---:|---:|---:|---|")
    for name in arguments.rows:
        (one, first), (two, second), (busy, third) = (
            measure(ROWS[name], passed, trainings, loops) for trainings, loops in ((1, 0), (2, 0), (1, 1))
        )
        figures = f"{one:.2f} | {two:.2f} | {two / one:.1f} | {busy:.2f} | {busy / one:.1f}"
        print(f"| {name} | {figures} | {first}; {second}; {third} |", flush=True)


if __name__ == "__main__":
    main()
