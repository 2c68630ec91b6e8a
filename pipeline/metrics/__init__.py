"""Pixel and lesion metrics of anomaly maps, from one state: the score histogram."""

from __future__ import annotations

from pipeline.metrics.bins import snap
from pipeline.metrics.bootstrap import interval, replicate
from pipeline.metrics.confusion import Confusion
from pipeline.metrics.counts import Counts, total
from pipeline.metrics.curves import (
    BestDice,
    Bounded,
    Curve,
    auprc_trapezoid,
    auroc,
    average_precision,
    best_dice,
    confusion,
    pr_curve,
    roc_curve,
)
from pipeline.metrics.distributed import gather
from pipeline.metrics.histogram import ScoreHistogram
from pipeline.metrics.lesions import LesionCounts, lesion_counts
from pipeline.metrics.mask_figures import mask_figures
from pipeline.metrics.merging import merge
from pipeline.metrics.overlap import SurfaceDistance, mask_overlap, surface_distance
from pipeline.metrics.paired import Difference, paired_difference
from pipeline.metrics.percentiles import calibration_curve, overlap_share
from pipeline.metrics.reconstruction import Reconstruction, reconstruction_error
from pipeline.metrics.summary import scan_table, summarise
from pipeline.metrics.threshold_rules import conformal, fixed, healthy_fpr, operating_point, oracle, percentile
from pipeline.metrics.thresholds import Threshold, load_thresholds, save_thresholds

__all__ = [
    "BestDice",
    "Bounded",
    "Confusion",
    "Counts",
    "Curve",
    "Difference",
    "LesionCounts",
    "Reconstruction",
    "ScoreHistogram",
    "SurfaceDistance",
    "Threshold",
    "auprc_trapezoid",
    "auroc",
    "average_precision",
    "best_dice",
    "calibration_curve",
    "conformal",
    "confusion",
    "fixed",
    "gather",
    "healthy_fpr",
    "interval",
    "lesion_counts",
    "load_thresholds",
    "mask_figures",
    "mask_overlap",
    "merge",
    "operating_point",
    "oracle",
    "overlap_share",
    "paired_difference",
    "percentile",
    "pr_curve",
    "reconstruction_error",
    "replicate",
    "roc_curve",
    "save_thresholds",
    "scan_table",
    "snap",
    "summarise",
    "surface_distance",
    "total",
]
