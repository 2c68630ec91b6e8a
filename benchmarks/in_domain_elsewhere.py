"""Trained runs on the lesion scans of another prepared data set, one a column.

    python benchmarks/in_domain_elsewhere.py RUNS METHODS OTHER

Prints markdown: the average precision of each test scan of OTHER with a lesion, a row a method and seed. METHODS are
separated by commas; `--subjects` takes those scans alone whose subject has one of these texts in its name. Nothing is
trained or chosen again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from in_domain_tables import markdown

from pipeline.data import load_manifest
from pipeline.examine.shifts import configuration_of
from pipeline.handlers import ScoreHistogramHandler
from pipeline.metrics import ScoreHistogram
from pipeline.metrics.bootstrap import scan_precisions
from pipeline.report.results import Run, find_runs


def precisions(run: Run, runs: Path, other: Path, subjects: set[str]) -> dict[str, float]:
    """Average precision of the test scans of these subjects in the data set `other`, with the choices of the run."""
    parser = configuration_of(run, runs)
    scorer, split_evaluator = (parser.get_parsed_content(key) for key in ("scorer", "split_evaluator"))
    histogram = ScoreHistogram()
    handlers = [ScoreHistogramHandler(histogram)]
    split_evaluator(split="test", inferer=scorer, handlers=handlers, dataset_dir=str(other), subjects=subjects).run()
    return dict(zip(histogram.scans, scan_precisions(histogram).tolist(), strict=True))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("methods")
    parser.add_argument("other", type=Path)
    parser.add_argument("--subjects", default="", help="parts of names, separated by commas; default: all")
    given = parser.parse_args()
    items = [item for item in load_manifest(given.other)["items"] if item["split"] == "test" and not item["healthy"]]
    wanted = given.subjects.split(",")
    subjects = {item["subject"] for item in items if any(part in item["subject"] for part in wanted)}
    made = []
    for run in find_runs(given.runs, given.methods.split(",")):
        found = precisions(run, given.runs, given.other, subjects)
        made.append(
            {"method": f"`{run.method}`", "seed": run.seed, **{name: f"{ap:.3f}" for name, ap in found.items()}}
        )
    print(markdown(pd.DataFrame(made)))


if __name__ == "__main__":
    main()
