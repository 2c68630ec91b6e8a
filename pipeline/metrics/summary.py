"""The row of a table and the rows of its scans, from one histogram and a list of thresholds."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.metrics import curves
from pipeline.metrics.bins import snap
from pipeline.metrics.bootstrap import interval, n_patients, replicate
from pipeline.metrics.counts import Counts
from pipeline.metrics.histogram import ScoreHistogram
from pipeline.metrics.percentiles import overlap_share
from pipeline.metrics.threshold_rules import oracle
from pipeline.metrics.thresholds import Threshold

WIDE = 0.005
logger = logging.getLogger(__name__)


def summarise(
    test: ScoreHistogram,
    thresholds: Sequence[Threshold] = (),
    replicates: int = 1000,
    seed: int = 0,
    subjects: Mapping[str, str] | None = None,
) -> dict[str, float]:
    """Figures of a test set by their column names; nan where one is undefined.

    Over all thresholds: `auprc` and `auroc`, each with `_lower`, `_upper` (what the binning allows) and `_ci_low`,
    `_ci_high` (95 % over patients); `scan_ap`, the mean average precision of the scans with a lesion, with `_ci_low`
    and `_ci_high`; `auprc_trapezoid`, `overlap_share`, `lesion_share`, `n_scans`, `n_subjects`,
    `n_empty_scans` (no lesion in the label).

    For `oracle` and each threshold, `@<rule>`: `threshold`; pooled `dice`, `iou`, `precision`, `recall`, `fpr`,
    `dice_ci_low`, `dice_ci_high`; over scans `scan_dice`, `scan_dice_sd`, `n_empty_both` (an empty mask of an empty
    label, Dice 1), and in scans without lesion `healthy_ml`, `healthy_ml_p95` (false lesion in mL).

    What is undefined or known only roughly is logged as a warning.

    Args:
        test: of the test scans.
        thresholds: beside `oracle`, which is always there.
        replicates: see `pipeline.metrics.replicate`.
        seed: see `pipeline.metrics.replicate`.
        subjects: see `pipeline.metrics.replicate`.

    Raises:
        PipelineError: a threshold was learnt on another support.

    Example:
        >>> import torch
        >>> from pipeline.metrics import fixed
        >>> histogram = ScoreHistogram()
        >>> maps = torch.tensor([[0.1, 0.4, 0.35, 0.8], [0.1, 0.2, 0.35, 0.8]])
        >>> histogram.update(maps, torch.tensor([[0, 0, 1, 1]]).expand(2, 4), None, ["sub-1", "sub-2"])
        >>> row = summarise(histogram, [fixed(0.5)], replicates=100)
        >>> row["auroc"], row["lesion_share"], round(row["dice@0.5"], 3), round(row["dice@oracle"], 3)
        (0.875, 0.5, 0.667, 0.889)
    """
    pooled = test.pooled()
    thresholds = with_oracle(test, thresholds)
    people = n_patients(test, subjects)
    samples = replicate(test, thresholds, replicates, seed, subjects)
    if people < 2:  # the draws would all be the same, and the interval look like certainty
        samples = {name: values[:0] for name, values in samples.items()}
    scans = scan_table(test, thresholds)
    row = {
        "n_scans": float(len(scans)),
        "n_subjects": float(people),
        "n_empty_scans": float(sum(bool(scan["healthy"]) for scan in scans)),
        "lesion_share": pooled.n_positive / (pooled.n_positive + pooled.n_negative),
        "auprc_trapezoid": curves.auprc_trapezoid(pooled),
        "overlap_share": overlap_share(pooled),
    }
    row |= _over_all_thresholds(pooled, scans, samples)
    for threshold in thresholds:
        low, high = interval(samples[f"dice@{threshold.rule}"])
        row |= _at(test, threshold, scans)
        row |= {f"dice_ci_low@{threshold.rule}": low, f"dice_ci_high@{threshold.rule}": high}
    return row


def _over_all_thresholds(
    pooled: Counts, scans: list[dict[str, float | str]], samples: Mapping[str, NDArray[np.float64]]
) -> dict[str, float]:
    """Figures that need no threshold, with their intervals; what is undefined or known only roughly is logged."""
    row: dict[str, float] = {}
    for name, figure in (("auprc", curves.average_precision(pooled)), ("auroc", curves.auroc(pooled))):
        _log_doubts(name, figure, pooled)
        row |= {name: figure.value, f"{name}_lower": figure.lower, f"{name}_upper": figure.upper}
        row[f"{name}_ci_low"], row[f"{name}_ci_high"] = interval(samples[name])
    of_scans = np.array([scan["auprc"] for scan in scans], np.float64)
    row["scan_ap"] = float(np.nanmean(of_scans)) if np.isfinite(of_scans).any() else np.nan
    row["scan_ap_ci_low"], row["scan_ap_ci_high"] = interval(samples["scan_ap"])
    return row


def _log_doubts(name: str, figure: curves.Bounded, pooled: Counts) -> None:
    if np.isnan(figure.value):
        logger.warning("%s is undefined: %d lesion, %d normal pixels", name, pooled.n_positive, pooled.n_negative)
    elif figure.upper - figure.lower > WIDE:
        logger.warning("%s lies in %.4f to %.4f: its scores fill few bins, count with more bits", name, *figure[1:])


def with_oracle(test: ScoreHistogram, thresholds: Sequence[Threshold]) -> list[Threshold]:
    """Thresholds on the edges of the bins of `test`, with `oracle` first where there is a lesion.

    Args:
        test: of the test scans.
        thresholds: an `oracle` among them is replaced.

    Raises:
        PipelineError: a threshold of another support.

    Example:
        >>> import torch
        >>> from pipeline.metrics import fixed
        >>> histogram = ScoreHistogram()
        >>> histogram.update(torch.tensor([[0.1, 0.75]]), torch.tensor([[0, 1]]), None, ["sub-1"])
        >>> [(threshold.rule, threshold.value) for threshold in with_oracle(histogram, [fixed(0.5)])]
        [('oracle', 0.75), ('0.5', 0.5)]
    """
    chosen = [replace(one, value=snap(one.value, test.bits)) for one in thresholds if one.rule != "oracle"]
    for threshold in chosen:
        if threshold.source != "given" and threshold.support != test.support:
            raise PipelineError(
                f"threshold '{threshold.rule}' is of the support '{threshold.support}', the scans of '{test.support}'; "
                f'if these are the same pixels, say so: --support "{threshold.support}"'
            )
    return [oracle(test), *chosen] if test.pooled().n_positive else chosen


def _at(test: ScoreHistogram, threshold: Threshold, scans: list[dict[str, float | str]]) -> dict[str, float]:
    """Pooled figures at a threshold, and those over scans."""
    rule = threshold.rule
    mask = curves.confusion(test.pooled(), threshold.value)
    dice = np.array([scan[f"dice@{rule}"] for scan in scans], np.float64)
    healthy = [scan for scan in scans if scan["healthy"]]
    false_ml = np.array([scan[f"false_ml@{rule}"] for scan in healthy], np.float64)
    empty = [scan for scan in healthy if scan[f"dice@{rule}"] == 1]
    return {
        f"threshold@{rule}": threshold.value,
        f"dice@{rule}": mask.dice,
        f"iou@{rule}": mask.iou,
        f"precision@{rule}": mask.precision,
        f"recall@{rule}": mask.recall,
        f"fpr@{rule}": mask.fpr,
        f"scan_dice@{rule}": float(dice.mean()),
        f"scan_dice_sd@{rule}": float(dice.std(ddof=1)) if len(dice) > 1 else np.nan,
        f"n_empty_both@{rule}": float(len(empty)),
        f"healthy_ml@{rule}": float(false_ml.mean()) if healthy else np.nan,
        f"healthy_ml_p95@{rule}": float(np.quantile(false_ml, 0.95)) if healthy else np.nan,
    }


def scan_table(test: ScoreHistogram, thresholds: Sequence[Threshold]) -> list[dict[str, float | str]]:
    """One row for each scan: `scan`, `healthy` (no lesion in the label), `pixels`, `lesion_ml`, `auprc`, and at each
    threshold `dice@`, `iou@`, `recall@` and `false_ml@`. Volumes are nan for scans of unknown voxel volume.

    Args:
        test: of the test scans.
        thresholds: those to measure at.

    Example:
        >>> import torch
        >>> from pipeline.metrics import fixed
        >>> histogram = ScoreHistogram()
        >>> maps, lesions = torch.tensor([[0.1, 0.6, 0.35, 0.8]]), torch.tensor([[0, 0, 1, 1]])
        >>> histogram.update(maps, lesions, None, ["sub-1"], voxel_ml=0.008)
        >>> row = scan_table(histogram, [fixed(0.5)])[0]
        >>> row["scan"], row["lesion_ml"], row["dice@0.5"], row["false_ml@0.5"]
        ('sub-1', 0.016, 0.5, 0.008)
    """
    rows: list[dict[str, float | str]] = []
    for scan in test.scans:
        counts = test.scan(scan)
        volume = test.voxel_ml(scan) or np.nan
        row: dict[str, float | str] = {
            "scan": scan,
            "healthy": not counts.n_positive,
            "pixels": counts.n_positive + counts.n_negative,
            "lesion_ml": counts.n_positive * volume,
            "auprc": curves.average_precision(counts).value,
        }
        for threshold in thresholds:
            mask = curves.confusion(counts, threshold.value)
            row[f"dice@{threshold.rule}"], row[f"iou@{threshold.rule}"] = mask.dice, mask.iou
            row[f"recall@{threshold.rule}"], row[f"false_ml@{threshold.rule}"] = mask.recall, mask.fp * volume
        rows.append(row)
    return rows
