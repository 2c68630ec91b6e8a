"""Pixel and lesion metrics of anomaly maps, from one state: the score histogram."""

from __future__ import annotations

from pipeline.metrics.bins import snap
from pipeline.metrics.bootstrap import Difference, interval, paired_difference, replicate
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
    calibration_curve,
    confusion,
    overlap_share,
    pr_curve,
    roc_curve,
)
from pipeline.metrics.histogram import ScoreHistogram
from pipeline.metrics.scan_counts import merge
from pipeline.metrics.summary import scan_table, summarise
from pipeline.metrics.thresholds import Threshold, load_thresholds, save_thresholds

__all__ = [
    "BestDice",
    "Bounded",
    "Confusion",
    "Counts",
    "Curve",
    "Difference",
    "ScoreHistogram",
    "Threshold",
    "auprc_trapezoid",
    "auroc",
    "average_precision",
    "best_dice",
    "calibration_curve",
    "confusion",
    "interval",
    "load_thresholds",
    "merge",
    "overlap_share",
    "paired_difference",
    "pr_curve",
    "replicate",
    "roc_curve",
    "save_thresholds",
    "scan_table",
    "snap",
    "summarise",
    "total",
]
