"""From healthy T1 heads to lesions on FLAIR, on real scans: IXI for training, BraTS 2015, MSLUB and LGG for the test.

    python benchmarks/ixi_to_flair_lesions.py --data ../shared/data --out runs/ixi --lesions brats2015,mslub

Preprocesses the IXI heads with skull, gives them a FLAIR-like contrast, trains the methods asked for, learns thresholds
from held-out IXI heads, scores all labelled lesion scans and the healthy test heads, and prints the table. Stopped, it
goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lesionless.report import report
from pipeline.leaderboard import run_leaderboard
from preprocessing.cli.options import slice_count
from preprocessing.cohort.run import prepare
from preprocessing.datasets import Scan, find_scans

FLOORS = ["intensity", "intensity_smooth", "histeq", "histeq_smooth", "normative_z", "pca", "untrained_amcons"]
LESIONS = {"brats2015": "brats2015", "mslub": "mslub_mni", "lgg": "lgg/scans.csv"}  # where each lies in the data
ATTENTION = "amcons,gradcamcons_log_barrier,gradcamcons_l2,pixel_l2,cavga,gradcam_d_vae"
RECONSTRUCTION = "ae,vae,bayesian_ae,bayesian_vae,context_ae,context_vae,restoration_vae,anovaegan,fanogan,caae"


def scans(data: Path, lesions: Sequence[str]) -> list[Scan]:
    """Healthy IXI heads with a FLAIR-like contrast, and the lesion scans: all with a complete label are the test.

    Of a data set with splits of its own these are the scans of its validation part.
    """
    healthy = [replace(scan, flair_like=True) for scan in find_scans("ixi", data / "ixi_2mm")]
    labelled = [
        scan
        for name in lesions
        for scan in find_scans("table" if LESIONS[name].endswith(".csv") else name, data / LESIONS[name])
        if scan.labelled and scan.modality == "FLAIR" and scan.split in (None, "validation")
    ]
    return healthy + [replace(scan, split="test") for scan in labelled]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("runs/ixi"))
    parser.add_argument(
        "--methods", default=f"{ATTENTION},{RECONSTRUCTION}", help="separated by commas; the floors always run"
    )
    parser.add_argument("--lesions", default="brats2015,mslub", help=f"test sets, of {','.join(LESIONS)}")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--image-size", type=int, default=96)
    parser.add_argument("--slices", type=slice_count, default=10, help="central ones of a scan, or `all` with tissue")
    parser.add_argument("--slice-step", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()

    started, lesions = time.monotonic(), arguments.lesions.split(",")
    prepared = prepare(
        scans(arguments.data, lesions), arguments.out / "dataset", f"IXI T1 as FLAIR → {' + '.join(lesions)}",
        image_size=arguments.image_size, slices=arguments.slices, slice_step=arguments.slice_step,
        workers=arguments.workers,
    )  # fmt: skip
    middle = time.monotonic()
    methods = [*FLOORS, *filter(None, arguments.methods.split(","))]
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    dataset = prepared.manifest.parent
    run_leaderboard(methods, dataset, arguments.out, seeds, "normals_only", max_epochs=arguments.epochs)
    report(arguments.out)
    splits = json.loads(prepared.manifest.read_text())["items"]
    counts = {name: sum(item["split"] == name for item in splits) for name in ("train", "calibration", "test")}
    print(f"scans: {counts}; failed: {prepared.failures}")
    print(f"preprocessing {middle - started:.0f} s, methods {time.monotonic() - middle:.0f} s")


if __name__ == "__main__":
    main()
