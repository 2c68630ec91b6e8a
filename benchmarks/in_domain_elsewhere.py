"""Trained runs on the lesion scans of another prepared data set, one a column.

    python benchmarks/in_domain_elsewhere.py DATASET RUNS METHODS OTHER

Prints markdown: the average precision of each test scan of OTHER with a lesion. METHODS are separated by commas; of
each, the run with `--seed`. Nothing is trained or chosen again.
"""

from __future__ import annotations

import argparse

import pandas as pd
from in_domain_tables import markdown

from pipeline.data import load_manifest
from pipeline.handlers import ScoreHistogramHandler
from pipeline.metrics import ScoreHistogram
from pipeline.metrics.bootstrap import scan_precisions
from pipeline.workflow import MethodWorkflow


def precisions(method: str, dataset: str, runs: str, seed: int, other: str) -> dict[str, float]:
    """Average precision of each scan with a lesion in the test of the data set `other`."""
    workflow = MethodWorkflow(method=method, dataset_dir=dataset, runs_dir=runs, seed=seed, stage="evaluate")
    workflow.initialize()
    scorer, split_evaluator = (workflow.parser.get_parsed_content(key) for key in ("scorer", "split_evaluator"))
    histogram = ScoreHistogram()
    items = load_manifest(other)["items"]
    subjects = {item["subject"] for item in items if item["split"] == "test" and not item["healthy"]}
    handlers = [ScoreHistogramHandler(histogram)]
    split_evaluator(split="test", inferer=scorer, handlers=handlers, dataset_dir=other, subjects=subjects).run()
    return dict(zip(histogram.scans, scan_precisions(histogram).tolist(), strict=True))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("runs")
    parser.add_argument("methods")
    parser.add_argument("other")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    made = []
    for method in arguments.methods.split(","):
        found = precisions(method, arguments.dataset, arguments.runs, arguments.seed, arguments.other)
        made.append({"method": f"`{method}`", **{name: f"{value:.3f}" for name, value in found.items()}})
    print(markdown(pd.DataFrame(made)))


if __name__ == "__main__":
    main()
