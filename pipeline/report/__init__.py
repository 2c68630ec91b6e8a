"""Results for people: tables, pictures and one page, made of what the pipeline wrote; used by notebooks and the CLI."""

from __future__ import annotations

from pipeline.report.by_volume import volumes
from pipeline.report.distributions import scores
from pipeline.report.figures import write_figures
from pipeline.report.native import native
from pipeline.report.over_thresholds import precision_recall, roc, sensitivity
from pipeline.report.pictures import montage
from pipeline.report.plots import curves, ranking
from pipeline.report.prepared import cohort, slices
from pipeline.report.reconstruction import reconstructions
from pipeline.report.render import page
from pipeline.report.results import load_results, load_scans, protocols, thresholds
from pipeline.report.shifted import shifts
from pipeline.report.sweep import sweep
from pipeline.report.tables import hardest, per_threshold, table
from pipeline.report.tissues import tissues
from pipeline.report.training import stopping_rule, training_curves, training_scores

__all__ = [
    "cohort",
    "curves",
    "hardest",
    "load_results",
    "load_scans",
    "montage",
    "native",
    "page",
    "precision_recall",
    "reconstructions",
    "roc",
    "scores",
    "sensitivity",
    "volumes",
    "write_figures",
    "per_threshold",
    "protocols",
    "ranking",
    "shifts",
    "slices",
    "stopping_rule",
    "sweep",
    "table",
    "thresholds",
    "tissues",
    "training_curves",
    "training_scores",
]
