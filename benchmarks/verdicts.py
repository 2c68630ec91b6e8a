"""Do verdict and drift keep their promises? `python benchmarks/verdicts.py MODEL --normals DATA --patients DATA`.

Prints two markdown tables. MODEL is a model of `lesionless calibrate` with `--alpha` and `--ml`; the data sets are
prepared as its scans were. In each of 500 resamplings, two thirds of the normals and of the patients take the place of
those of the model and the others are new scans. Patients that the model was trained on are left out. Another scanner's
contrast is simulated on the new normals, `m (x / m)^γ` with the median m of the brain, and so are less sharp images, by
a Gaussian in the plane.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lesionless.prediction.order import opened
from lesionless.prediction.preparation import known_scans
from pipeline.examine.shifts import DARKEST, Change, unchanged, with_blur, with_gamma
from pipeline.metrics import ScoreHistogram
from pipeline.predict.calibration import KnownScan
from pipeline.predict.drift import RATE, drift
from pipeline.predict.model import load_network
from pipeline.predict.normals import count, statistics
from pipeline.predict.verdict import ABNORMAL, NORMAL, conformal_rule, edges, judge
from pipeline.predict.volume import Network, score_volume

CHANGES: dict[str, Change] = {f"γ = {gamma:g}": with_gamma(gamma) for gamma in (0.7, 0.8, 0.9, 1.1, 1.25, 1.4)}
CHANGES |= {f"blurred by {sigma:g} px": with_blur(sigma) for sigma in (0.5, 1.0, 1.5)}
Facts = dict[str, float]


def measure(network: Network, scans: Iterable[KnownScan], ml: float, change: Change) -> Iterator[tuple[float, Facts]]:
    """Of each scan the edge that its verdict depends on, and the statistics that its drift depends on."""
    for scan in scans:
        image, brain = (torch.from_numpy(part)[:, None] for part in (scan.slices.image, scan.slices.brain))
        changed = torch.where(brain, change(image, brain).clamp_min(DARKEST), image)
        slices = replace(scan.slices, image=changed[:, 0].numpy())
        volume = score_volume(network, slices)
        histogram = ScoreHistogram()
        count(histogram, "scan", volume)
        yield edges(histogram, ml)[0], statistics(volume, slices, scan.checks)


def resamplings(n: int, times: int, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Places of the model's scans, two thirds, and of the new ones."""
    for _ in range(times):
        order = rng.permutation(n)
        yield order[: 2 * n // 3], order[2 * n // 3 :]


def row(name: str, promise: str, rates: Sequence[float]) -> str:
    """Mean over the resamplings, with the error of that mean."""
    error = 1.96 * float(np.std(rates)) / np.sqrt(len(rates))
    return f"| {name} | {promise} | {100 * np.mean(rates):.1f} ± {100 * error:.1f} % |"


def verdicts(healthy: Sequence[float], sick: Sequence[float], alpha: float, times: int) -> None:
    rng = np.random.default_rng(0)
    false, missed, found, cleared = [], [], [], []
    pairs = zip(resamplings(len(healthy), times, rng), resamplings(len(sick), times, rng), strict=True)
    for (normals, new), (patients, ill) in pairs:
        known, like = [healthy[k] for k in normals], [sick[k] for k in patients]
        of_new = [judge(healthy[k], known, like, alpha).verdict for k in new]
        of_ill = [judge(sick[k], known, like, alpha).verdict for k in ill]
        false.append(np.mean([verdict == ABNORMAL for verdict in of_new]))
        cleared.append(np.mean([verdict == NORMAL for verdict in of_new]))
        missed.append(np.mean([verdict == NORMAL for verdict in of_ill]))
        found.append(np.mean([verdict == ABNORMAL for verdict in of_ill]))
    print("| scans | promise | share |\n|---|---|---:|")
    print(row("healthy, called abnormal", f"≤ {100 * alpha:g} %", false))
    print(row("patients, called normal", f"≤ {100 * alpha:g} %", missed))
    print(row("healthy, called normal", "", cleared))
    print(row("patients, called abnormal", "", found))


def flagged(normals: Sequence[Facts], others: dict[str, Sequence[Facts]], times: int) -> None:
    """others: by name, scans that are those of `normals` one by one, or scans of other people."""
    print("\n| the new scans | stated | flagged |\n|---|---|---:|")
    for name, scans in {"as the normals'": normals, **others}.items():
        rng, rates = np.random.default_rng(1), []
        for of_model, new in resamplings(len(normals), times, rng):
            table = {key: [normals[k][key] for k in of_model] for key in normals[0]}
            found = [drift(scans[k % len(scans)], table) for k in new]
            rates.append(np.mean([one is not None and one.flagged for one in found]))
        print(row(name, f"≤ {100 * RATE:g} %" if scans is normals else "", rates), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--normals", type=Path, required=True)
    parser.add_argument("--patients", type=Path, required=True)
    parser.add_argument("--atlas", type=Path)
    parser.add_argument("--times", type=int, default=500)
    given = parser.parse_args()
    model, preparation = opened(given.model, given.atlas)
    rule = conformal_rule(next(iter(model.thresholds.values())))
    if rule is None:
        parser.error(f"{given.model}: no conformal threshold; lesionless calibrate --alpha A --ml V")
    network, (alpha, ml) = load_network(model), (rule.parameters["alpha"], rule.parameters["ml"])

    def of(data: Path, wanted: Any, change: Change = unchanged) -> list[tuple[float, Facts]]:
        return list(measure(network, known_scans(data, preparation, wanted), ml, change))

    normals = of(given.normals, lambda item: item["healthy"])
    patients = of(given.patients, lambda item: not item["healthy"] and item["split"] != "train")
    print(
        f"{len(normals)} healthy scans, {len(patients)} patients, {given.times} resamplings, α = {alpha:g}, {ml:g} mL\n"
    )
    verdicts([edge for edge, _ in normals], [edge for edge, _ in patients], alpha, given.times)
    changed = {name: of(given.normals, lambda item: item["healthy"], change) for name, change in CHANGES.items()}
    others = {name: [facts for _, facts in scans] for name, scans in changed.items()}
    others["the patients' scans"] = [facts for _, facts in patients]
    flagged([facts for _, facts in normals], others, given.times)


if __name__ == "__main__":
    main()
