"""The rules that thresholds are learnt by: from held-out normals, from labelled validation, given, or the oracle."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline.errors import PipelineError
from pipeline.metrics.bins import lowest_score, snap
from pipeline.metrics.curves import best_dice
from pipeline.metrics.histogram import ScoreHistogram
from pipeline.metrics.percentiles import edge_for
from pipeline.metrics.percentiles import percentile as percentile_of
from pipeline.metrics.thresholds import Threshold

Subjects = Mapping[str, str]


def _learnt(
    rule: str, value: float, data: ScoreHistogram, source: str, subjects: Subjects | None, **parameters: float
) -> Threshold:
    people = {(subjects or {}).get(scan, scan) for scan in data.scans}
    return Threshold(rule, value, f"{source} sha256:{data.digest()}", len(people), data.support, parameters)


def percentile(
    normals: ScoreHistogram, q: float, subjects: Subjects | None = None, frame_pixels: int | None = None
) -> Threshold:
    """Percentile `q` of the support pixels of held-out normals: at most `100 − q` % of them reach it.

    Args:
        normals: of the held-out normals.
        q: in (0, 100).
        subjects: patient of each scan id; None takes each scan for a patient.
        frame_pixels: number of pixels of the whole slices. Those outside the support then count as lower scores:
            percentile `q` of the frame is `(q · frame − 100 · (frame − support)) / support` of the support. None takes
            the support alone.

    Raises:
        PipelineError: q outside (0, 100), a percentile of the frame that lies outside the support, or a scan with a
            lesion.

    Example:
        >>> import torch
        >>> normals = ScoreHistogram()
        >>> normals.update(torch.arange(100.0)[None], None, None, ["sub-1"])
        >>> threshold = percentile(normals, 95)
        >>> threshold.rule, normals.pooled().at_least(threshold.value)  # 5 of 100 normal pixels reach it
        ('p95', (0, 5))
    """
    check_percentile(q)
    pooled = _normals(normals).pooled()
    if frame_pixels is None:
        return _learnt(f"p{q:g}", percentile_of(pooled, q), normals, "normals", subjects, q=q)
    inside = 100 - (100 - q) * frame_pixels / pooled.n_negative
    if inside <= 0:
        share = 100 * pooled.n_negative / frame_pixels
        raise PipelineError(f"percentile {q:g} of the frame is background: choose more than {100 - share:.1f}")
    value = percentile_of(pooled, inside)
    return _learnt(f"p{q:g}", value, normals, "normals", subjects, q=q, frame_pixels=frame_pixels)


def check_percentile(q: float) -> float:
    """The percentile itself.

    Raises:
        PipelineError: it is no number in (0, 100).

    Example:
        >>> check_percentile(97.5)
        97.5
    """
    if isinstance(q, str) or not 0 < q < 100:
        raise PipelineError(f"percentile {q} is not available; choose a number between 0 and 100")
    return q


def operating_point(validation: ScoreHistogram, subjects: Subjects | None = None) -> Threshold:
    """Threshold of the best pooled Dice (F1) on labelled validation scans.

    Args:
        validation: of the validation scans.
        subjects: patient of each scan id; None takes each scan for a patient.

    Raises:
        PipelineError: no scan has a lesion.

    Example:
        >>> import torch
        >>> validation = ScoreHistogram()
        >>> validation.update(torch.tensor([[0.1, 0.4, 0.25, 0.75]]), torch.tensor([[0, 0, 1, 1]]), None, ["sub-1"])
        >>> threshold = operating_point(validation)
        >>> threshold.rule, threshold.value
        ('val_op', 0.25)
    """
    return _learnt("val_op", _best(validation, "val_op"), validation, "labelled validation", subjects)


def oracle(test: ScoreHistogram, subjects: Subjects | None = None) -> Threshold:
    """Threshold of the best pooled Dice on the test scans: it has seen the test labels, so it is an upper limit.

    Args:
        test: of the test scans.
        subjects: patient of each scan id; None takes each scan for a patient.

    Raises:
        PipelineError: no scan has a lesion.

    Example:
        >>> import torch
        >>> test = ScoreHistogram()
        >>> test.update(torch.tensor([[0.1, 0.4, 0.25, 0.75]]), torch.tensor([[0, 0, 0, 1]]), None, ["sub-1"])
        >>> oracle(test).value
        0.75
    """
    return _learnt("oracle", _best(test, "oracle"), test, "test labels", subjects)


def _best(data: ScoreHistogram, rule: str) -> float:
    best = best_dice(data.pooled())
    if np.isnan(best.dice):
        raise PipelineError(f"rule '{rule}' needs lesion pixels, and the {len(data.scans)} scans have none")
    return best.threshold


def fixed(value: float, support: str = "brain", bits: int = 20) -> Threshold:
    """A given threshold, for maps that are bounded to [0, 1].

    Args:
        value: the threshold; it is raised to the next bin edge.
        support: which pixels are looked at.
        bits: resolution of the bins, 10 to 22.

    Example:
        >>> fixed(0.5)
        Threshold(rule='0.5', value=0.5, source='given', n_subjects=0, support='brain', parameters={'value': 0.5})
    """
    return Threshold(f"{value:g}", snap(value, bits), "given", 0, support, {"value": value})


def healthy_fpr(normals: ScoreHistogram, rate: float = 0.01, subjects: Subjects | None = None) -> Threshold:
    """Smallest threshold at which the false positive share, averaged over the normals, is at most `rate`.

    Args:
        normals: of the held-out normals.
        rate: in (0, 1).
        subjects: patient of each scan id; None takes each scan for a patient.

    Raises:
        PipelineError: rate outside (0, 1), or a scan with a lesion.

    Example:
        >>> import torch
        >>> normals = ScoreHistogram()
        >>> maps = torch.stack([torch.arange(100.0), torch.arange(100.0) / 2])
        >>> normals.update(maps, None, None, ["sub-1", "sub-2"])
        >>> threshold = healthy_fpr(normals, rate=0.05)
        >>> [normals.scan(scan).at_least(threshold.value)[1] / 100 for scan in normals.scans]  # on average 0.05
        [0.1, 0.0]
    """
    if not 0 < rate < 1:
        raise PipelineError(f"healthy false positive rate {rate} is not available; choose a number between 0 and 1")
    scans = [normals.scan(scan) for scan in _normals(normals).scans]
    edges = np.unique(np.concatenate([scan.bins for scan in scans]))
    share = np.zeros(len(edges))
    for scan in scans:
        reach = np.r_[scan.negatives[::-1].astype(np.float64).cumsum()[::-1], 0] / scan.n_negative
        share += reach[np.searchsorted(scan.bins, edges)] / len(scans)
    too_many = np.flatnonzero(share > rate * (1 + 1e-12))
    number = edges[too_many[-1]] + 1
    value = float(lowest_score(np.array([number]), normals.bits)[0])
    return _learnt("healthy_fpr", value, normals, "normals", subjects, rate=rate)


def conformal(normals: ScoreHistogram, alpha: float, ml: float, subjects: Subjects | None = None) -> Threshold:
    """Threshold at which a new healthy subject has more than `ml` mL of false lesion with probability at most `alpha`.

    Split conformal over subjects: with t_i the smallest threshold that leaves at most `ml` in all scans of normal i,
    the value is the ⌈(n + 1)(1 − α)⌉-th smallest t_i. It holds for subjects exchangeable with the n normals, on average
    over their draw.

    Args:
        normals: of the held-out normals, with the volume of a voxel.
        alpha: in [1 / (n + 1), 1).
        ml: volume of false lesion that is tolerated, in mL.
        subjects: patient of each scan id; None takes each scan for a patient.

    Raises:
        PipelineError: α < 1 / (n + 1), a scan of unknown voxel volume, a scan with a lesion.

    Source: Vovk et al. 2005, Algorithmic Learning in a Random World.

    Example:
        With nine normals and α = 0.2, at most one of the nine may exceed 2 voxels of 1 mL:

        >>> import torch
        >>> normals = ScoreHistogram()
        >>> for i in range(9):
        ...     normals.update(torch.arange(10.0)[None] + i, None, None, [f"sub-{i}"], voxel_ml=1.0)
        >>> threshold = conformal(normals, alpha=0.2, ml=2.0)
        >>> threshold.rule, [normals.scan(scan).at_least(threshold.value)[1] for scan in normals.scans]
        ('conformal(0.2, 2 mL)', [0, 0, 0, 0, 0, 0, 1, 2, 3])
    """
    highest = edges_for_ml(_normals(normals), ml, subjects)
    n = len(highest)
    may_fail = int((n + 1) * alpha + 1e-9)
    if may_fail < 1 or not alpha < 1:
        raise PipelineError(
            f"rule 'conformal' cannot keep alpha = {alpha:g} with {n} subjects; "
            f"choose alpha of at least 1/(n + 1) = {1 / (n + 1):.3g} and below 1, or more subjects"
        )
    value = sorted(highest.values())[n - may_fail]
    return _learnt(f"conformal({alpha:g}, {ml:g} mL)", value, normals, "normals", subjects, alpha=alpha, ml=ml)


def edges_for_ml(histogram: ScoreHistogram, ml: float, subjects: Subjects | None = None) -> dict[str, float]:
    """Of each subject, the smallest threshold that leaves at most `ml` mL in every one of its scans.

    Args:
        histogram: of the scans, with the volume of a voxel.
        ml: volume that may be left, in mL.
        subjects: patient of each scan id; None takes each scan for a patient.

    Raises:
        PipelineError: a scan of unknown voxel volume.

    Example:
        >>> import torch
        >>> histogram = ScoreHistogram()
        >>> for scan, brightest in {"a-1": 10.0, "a-2": 20.0, "b-1": 30.0}.items():
        ...     scores = torch.tensor([[1.0, brightest]])
        ...     histogram.update(scores, None, None, [scan], voxel_ml=0.5)
        >>> edges = edges_for_ml(histogram, 0.5, {"a-1": "a", "a-2": "a", "b-1": "b"})
        >>> {subject: 1 < edge < 1.01 for subject, edge in edges.items()}
        {'a': True, 'b': True}
    """
    highest: dict[str, float] = {}
    for scan in histogram.scans:
        volume = histogram.voxel_ml(scan)
        if not volume:
            raise PipelineError(f"rule 'conformal' needs voxel_ml, the volume of a voxel, of scan '{scan}'")
        edge = edge_for(histogram.scan(scan), int(ml / volume * (1 + 1e-9)))
        subject = (subjects or {}).get(scan, scan)
        highest[subject] = max(edge, highest.get(subject, -np.inf))
    return highest


def _normals(normals: ScoreHistogram) -> ScoreHistogram:
    for scan in normals.scans:
        if normals.scan(scan).n_positive:
            raise PipelineError(f"scan '{scan}' has lesion pixels; a threshold of normals needs scans without")
    if not normals.scans:
        raise PipelineError("there is no normal scan to learn a threshold from")
    return normals
