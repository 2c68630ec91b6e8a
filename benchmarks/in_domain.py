"""A learned method on real patients: trained on lesion-free slices of some, measured on others (`../shared/data/lgg`).

    python benchmarks/in_domain.py --data ../shared/data --out runs/lgg

Prepares the FLAIR of 67 patients with lower-grade glioma and of one healthy person, trains on the lesion-free slices of
33 patients, chooses thresholds and the floors' parameters on 12, measures 22, and prints the tables. `maps.png` shows
the worst, the median and the best patient of the first method. Stopped, it goes on where it was; a second call with
other `--methods` and `--epochs` adds their rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from in_domain_maps import picture
from in_domain_tables import rows, tables

from lesionless.report import report
from pipeline.leaderboard import run_leaderboard
from pipeline.report.pictures import PAPER
from preprocessing.cohort.run import prepare
from preprocessing.datasets import Scan, find_scans

FLOORS = "intensity,intensity_smooth,histeq,histeq_smooth,normative_z,pca,untrained_amcons"
TOO_THICK = "sub-HT7860"  # slices of 8.8 mm; preparation takes 8 mm at most
DEVELOPMENT = 12


def development(subjects: Sequence[str]) -> set[str]:
    """Patients of the training part that choices are made on, from every hospital in proportion, seed 0."""
    rng = np.random.default_rng(0)
    by_hospital: dict[str, list[str]] = {}
    ordered = sorted(subjects)
    for index in rng.permutation(len(ordered)):
        by_hospital.setdefault(ordered[index][4:6], []).append(ordered[index])
    places = [(i + 0.5) / len(group) for group in by_hospital.values() for i in range(len(group))]
    patients = [patient for group in by_hospital.values() for patient in group]
    return set(np.array(patients)[np.argsort(places, kind="stable")[:DEVELOPMENT]].tolist())


def scans(data: Path) -> list[Scan]:
    """Patients with the splits train, validation and test, and the healthy person for thresholds from normals."""
    patients = [scan for scan in find_scans("table", data / "lgg" / "scans.csv") if scan.subject != TOO_THICK]
    chosen = development([scan.subject for scan in patients if scan.split == "train"])
    parts = {"train": "train", "validation": "test"}
    found = [
        replace(scan, split="validation" if scan.subject in chosen else parts[str(scan.split)]) for scan in patients
    ]
    healthy = Scan(
        id="sub-healthy", subject="sub-healthy", modality="FLAIR", healthy=True, split="calibration",
        image=data / "torchio_flair" / "fernando_flair.nii.gz",
    )  # fmt: skip
    return [*found, healthy]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("runs/lgg"))
    parser.add_argument("--methods", default="painted_lesions", help="separated by commas; the floors always run")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    prepared = prepare(
        scans(arguments.data), arguments.out / "dataset", "LGG, in-domain", image_size=96, slices="all", slice_step=3,
        workers=arguments.workers,
    )  # fmt: skip
    methods = [*FLOORS.split(","), *arguments.methods.split(",")]
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    run_leaderboard(methods, prepared.manifest.parent, arguments.out, seeds, max_epochs=arguments.epochs)
    report(arguments.out)
    found = rows([arguments.out])
    print(tables(found))
    first = picture(found, arguments.methods.split(",")[0])
    first.savefig(arguments.out / "maps.png", dpi=80, facecolor=PAPER)


if __name__ == "__main__":
    main()
