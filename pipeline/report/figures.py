"""Every figure that a folder of results allows, as vector and as PNG."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from pipeline.errors import PipelineError
from pipeline.report.by_volume import volumes
from pipeline.report.distributions import SCANS, scores
from pipeline.report.over_thresholds import precision_recall, roc, sensitivity
from pipeline.report.pictures import montage
from pipeline.report.plots import ranking
from pipeline.report.reconstruction import methods_with_reconstructions, reconstructions
from pipeline.report.results import find_runs, load_results
from pipeline.report.shifted import shifts
from pipeline.report.tables import kind, operating_rule
from pipeline.report.tissues import methods_with_tissues, tissues

DPI = 300
METADATA = {"pdf": ("CreationDate", "Creator", "Producer"), "png": ("Software",)}  # left out
Draw = Callable[[], Figure]


def write_figures(runs: str | Path, out: str | Path, convention: str = "neurological") -> dict[str, str]:
    """Write the figures of a folder of results to `out`, each as `<name>.pdf` and `<name>.png`.

    Args:
        runs: results folder.
        out: folder, which is made.
        convention: of pictures of brains, `neurological` or `radiological`.

    Returns:
        Name of each figure → empty, or why the results do not allow it.

    Raises:
        PipelineError: no results, or results of several protocols.
    """
    said = {}
    for name, draw in _figures(Path(runs), convention).items():
        try:
            save(draw(), Path(out) / name)
            said[name] = ""
        except (PipelineError, FileNotFoundError) as error:
            said[name] = str(error)
    return said


def save(figure: Figure, path: Path) -> None:
    """Write a figure as `path`.pdf and `path`.png, the same bytes for the same figure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for ending, facts in METADATA.items():
        temporary = path.with_name(f".{os.getpid()}.{path.name}.{ending}")
        figure.savefig(temporary, format=ending, dpi=DPI, metadata=dict.fromkeys(facts))
        temporary.replace(path.with_name(f"{path.name}.{ending}"))


def _figures(runs: Path, convention: str) -> dict[str, Draw]:
    results = load_results(runs)
    best = results.groupby("method")["auprc"].mean().sort_values(ascending=False).index
    rule = operating_rule(results)
    found: dict[str, Draw] = {
        "average_precision": lambda: ranking(results),
        "precision_recall": lambda: precision_recall(runs),
        "roc": lambda: roc(runs),
        "threshold_sensitivity": lambda: sensitivity(runs),
        "dice_by_lesion_volume": lambda: volumes(runs, rule),
        "under_shift": lambda: shifts(runs),
        "score_distributions": lambda: scores(runs, _two(runs, results, list(best))),
    }
    for method in best:
        found[f"qualitative_{method}"] = partial(montage, runs, None, None, [method], rule, convention)
    for name, kept, draw in (
        ("reconstructions", methods_with_reconstructions(runs), reconstructions),
        ("tissues", methods_with_tissues(runs), tissues),
    ):
        found |= {f"{name}_{method}": partial(draw, runs, method, convention=convention) for method in kept}
    return found


def _two(runs: Path, results: pd.DataFrame, best: list[str]) -> list[str]:
    """The best learned method and the best floor that kept their scores."""
    whole = {run.method for run in find_runs(runs) if all((run.folder / name).is_file() for name in SCANS)}
    kinds = results.drop_duplicates("method").set_index("method").apply(kind, axis=1)
    able = [name for name in best if name in whole]
    chosen = [name for wanted in ("learned", "floor") for name in [one for one in able if kinds[one] == wanted][:1]]
    if not chosen:
        raise PipelineError(f"no run of '{runs}' kept {' and '.join(SCANS)}; calibrate and evaluate a method again")
    return chosen
