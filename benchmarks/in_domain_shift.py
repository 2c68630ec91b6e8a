"""Trained runs on images of another kind: `python benchmarks/in_domain_shift.py DATASET RUNS METHODS`.

Prints markdown: mean average precision a scan on the test as it is, blurred (Gaussian of 1.5 px), with a gamma of 0.8
and 1.2, and under a bias field of ±20 % along the first axis of a slice. Nothing is trained or chosen again. METHODS
are separated by commas; of each, the run with `--seed`. With `--on`, the lesion scans of another prepared dataset
instead, one a column.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from in_domain_tables import markdown
from monai.networks.layers import GaussianFilter
from torch import Tensor

from pipeline.contracts import Scored
from pipeline.data import load_manifest
from pipeline.handlers import ScoreHistogramHandler
from pipeline.inferers import Scorer
from pipeline.metrics import ScoreHistogram
from pipeline.metrics.bootstrap import scan_precisions
from pipeline.workflow import MethodWorkflow

Change = Callable[[Tensor], Tensor]


def bias(slices: Tensor) -> Tensor:
    """Multiplies slices [N, 1, H, W] by 0.8 at one end of the third axis, by 1.2 at the other."""
    return slices * torch.linspace(0.8, 1.2, slices.shape[2])[None, None, :, None]


CHANGES: dict[str, Change] = {
    "as it is": lambda slices: slices,
    "blur 1.5 px": GaussianFilter(2, 1.5),
    "gamma 0.8": lambda slices: slices**0.8,
    "gamma 1.2": lambda slices: slices**1.2,
    "bias ±20 %": bias,
}


@dataclass(frozen=True)
class Shifted(Scorer):
    """A scorer that sees changed slices; what is not brain stays 0."""

    change: Change = bias

    def __call__(self, inputs: Tensor, network: Any, *args: Any, z: Tensor | None = None, **kwargs: Any) -> Scored:
        """As Scorer, of the changed slices."""
        changed = self.change(inputs).clamp(0, 1) * (inputs > 0)
        return super().__call__(changed, network, *args, z=z, **kwargs)


def precisions(method: str, dataset: str, runs: str, seed: int, change: Change, on: str) -> dict[str, float]:
    """Average precision of each scan with a lesion in the test of the dataset `on`."""
    workflow = MethodWorkflow(method=method, dataset_dir=dataset, runs_dir=runs, seed=seed, stage="evaluate")
    workflow.initialize()
    found = workflow.parser.get_parsed_content
    scorer: Scorer = found("scorer")
    histogram = ScoreHistogram()
    shifted = Shifted(scorer.inferer, scorer.postprocessing, scorer.tuning, change)
    handlers = [ScoreHistogramHandler(histogram)]
    subjects = {
        item["subject"] for item in load_manifest(on)["items"] if item["split"] == "test" and not item["healthy"]
    }
    found("split_evaluator")(split="test", inferer=shifted, handlers=handlers, dataset_dir=on, subjects=subjects).run()
    return dict(zip(histogram.scans, scan_precisions(histogram).tolist(), strict=True))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("runs")
    parser.add_argument("methods")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--on", default="", help="another prepared dataset, whose lesion scans are measured")
    arguments = parser.parse_args()
    made = []
    for method in arguments.methods.split(","):
        place = (method, arguments.dataset, arguments.runs, arguments.seed)
        if arguments.on:
            cells = precisions(*place, CHANGES["as it is"], arguments.on)
        else:
            each = {name: precisions(*place, change, arguments.dataset) for name, change in CHANGES.items()}
            cells = {name: float(np.nanmean(list(values.values()))) for name, values in each.items()}
        made.append({"method": f"`{method}`", **{name: f"{value:.3f}" for name, value in cells.items()}})
    print(markdown(pd.DataFrame(made)))


if __name__ == "__main__":
    main()
