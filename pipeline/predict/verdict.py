"""Normal, refer or abnormal, each with the error rate that it promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.metrics import ScoreHistogram, Threshold
from pipeline.metrics.threshold_rules import edges_for_ml
from pipeline.predict.normals import subject_of

ABNORMAL, REFER, NORMAL = "abnormal", "refer", "normal"


@dataclass(frozen=True)
class Verdict:
    """What is said of a whole scan.

    Args:
        verdict: `normal`, `refer` or `abnormal`.
        promise: the error rate of this verdict in words.
        p_healthy: how often a healthy subject scores at least as high. p_patient: how often a patient scores at most as
            high; None without labelled patients.
    """

    verdict: str
    promise: str
    p_healthy: float
    p_patient: float | None


def decide(scan: ScoreHistogram, normals: ScoreHistogram, patients: ScoreHistogram | None, rule: Threshold) -> Verdict:
    """The verdict of one scan by class-conditional conformal prediction (Vovk 2005; Sadinle et al. 2019).

    With t the smallest threshold that leaves at most `ml` mL in a scan, t_i those of the n healthy and u_i those of the
    m patients of the model, `p_healthy = (1 + #{t_i ≥ t}) / (n + 1)` and `p_patient = (1 + #{u_i ≤ t}) / (m + 1)`:

    * `abnormal` where `p_healthy ≤ α`: at most α of healthy subjects are called so.
    * `normal` where `p_patient ≤ α` and not abnormal: at most α of patients like those of the model are called so.
    * `refer` otherwise: neither promise can be kept, a person has to decide.

    Args:
        scan: histogram of this scan alone.
        normals, patients: of the model, whole volumes, a scan each.
        rule: a conformal threshold, which knows α and mL.
    """
    alpha, ml = rule.parameters["alpha"], rule.parameters["ml"]
    (edge,) = edges(scan, ml)
    return judge(edge, edges(normals, ml), [] if patients is None else edges(patients, ml), alpha)


def judge(edge: float, healthy: Sequence[float], sick: Sequence[float], alpha: float) -> Verdict:
    """The same from t of the scan, t_i of the healthy subjects and u_i of the patients, see `decide`."""
    p_healthy = (1 + sum(value >= edge for value in healthy)) / (1 + len(healthy))
    p_patient = (1 + sum(value <= edge for value in sick)) / (1 + len(sick)) if sick else None
    if p_healthy <= alpha * (1 + 1e-12):
        return Verdict(ABNORMAL, f"at most {alpha:g} of healthy subjects are called abnormal", p_healthy, p_patient)
    if p_patient is not None and p_patient <= alpha * (1 + 1e-12):
        promise = f"at most {alpha:g} of patients like the {len(sick)} of the model are called normal"
        return Verdict(NORMAL, promise, p_healthy, p_patient)
    return Verdict(REFER, _why(len(sick), alpha), p_healthy, p_patient)


def conformal_rule(thresholds: Sequence[Threshold]) -> Threshold | None:
    """The first threshold that knows α and mL; None without one: then there is no verdict."""
    return next((rule for rule in thresholds if {"alpha", "ml"} <= rule.parameters.keys()), None)


def edges(histogram: ScoreHistogram, ml: float) -> list[float]:
    """t of `decide` of each subject of a model: the smallest threshold that leaves at most `ml` mL in every scan."""
    return list(edges_for_ml(histogram, ml, {scan: subject_of(scan) for scan in histogram.scans}).values())


def _why(patients: int, alpha: float) -> str:
    needed = int(1 / alpha - 1 + 1e-9) + (1 / alpha % 1 > 1e-9)
    if patients < needed:
        return (
            f"not abnormal; `normal` needs {needed} labelled patients at error rate {alpha:g}, the model has {patients}"
        )
    return "neither abnormal nor normal at the error rates of the model"
