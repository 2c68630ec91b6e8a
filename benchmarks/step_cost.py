"""CPU seconds of a training step of any method on a prepared dataset: `python benchmarks/step_cost.py DATASET METHODS`.

Prints markdown. METHODS are separated by commas. The time is that of the process in its threads, over the steps after
the first two, so that other work on the machine moves it little.
"""

from __future__ import annotations

import argparse
import tempfile
import time

from ignite.engine import Events

from pipeline.workflow import MethodWorkflow

BEGIN = 2  # the first steps allocate and compile


def seconds(method: str, dataset: str, steps: int) -> tuple[float, int]:
    """CPU seconds of a step, and the slices in it."""
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as runs:
        workflow = MethodWorkflow(
            method=method, dataset_dir=dataset, runs_dir=runs, seed=0, stage="train", max_epochs=1,
            **{"train::trainer::epoch_length": steps + BEGIN},
        )  # fmt: skip
        workflow.initialize()
        trainer = workflow.parser.get_parsed_content("train::trainer")
        trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: ends.append(time.process_time()))
        workflow.run()
        return (ends[-1] - ends[BEGIN - 1]) / steps, int(workflow.parser.get_parsed_content("batch_size"))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("methods")
    parser.add_argument("--steps", type=int, default=6)
    arguments = parser.parse_args()
    print("| method | slices a step | CPU s a step |\n|---|---|---|")
    for method in arguments.methods.split(","):
        cost, batch = seconds(method, arguments.dataset, arguments.steps)
        print(f"| `{method}` | {batch} | {cost:.2f} |", flush=True)


if __name__ == "__main__":
    main()
