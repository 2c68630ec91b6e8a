"""`lesionless demo`: the whole way on a simulated cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lesionless.logs import say
from lesionless.options import DEMO_METHODS, PREDICTOR, Epochs, Methods, Out, Quiet, Seeds, Verbose, names, numbers
from lesionless.run import run

NEW = 1  # seed of the head that is predicted at the end; the cohort has seed 0


def demo(
    out: Out = Path("runs/demo"),
    image_size: Annotated[int, typer.Option(help="Pixels of a slice's side; the paper's value is 224.")] = 96,
    epochs: Epochs = 20,
    healthy: Annotated[int, typer.Option(help="Simulated healthy heads.")] = 24,
    lesion: Annotated[int, typer.Option(help="Simulated heads with lesions.")] = 14,
    methods: Methods = DEMO_METHODS,
    seeds: Seeds = "0",
    predictor: Annotated[
        str, typer.Option("--predict-with", help="Method, one of --methods, that predicts a new head at the end.")
    ] = PREDICTOR,
    workers: Annotated[int, typer.Option(help="Processes of the preprocessing.")] = 2,
    atlas: Annotated[Path | None, typer.Option(help="SRI-24 folder, for a machine without network.")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Go the whole way on a simulated cohort, from raw heads to a scored report; run again, it continues."""
    from pipeline.components import check_text
    from pipeline.errors import check_choice
    from preprocessing.cohort.run import prepare
    from preprocessing.datasets import find_scans
    from preprocessing.phantom import write_cohort

    say(quiet, verbose)
    check_text({"out_dir": str(out)}, "the command line")
    check_choice("method of --predict-with", predictor, names(methods))
    seed = min(numbers(seeds))
    raw = write_cohort(out / "raw", healthy=healthy, lesion=lesion, seed=0, workers=workers, atlas=atlas)
    scans = find_scans("phantom", raw)
    prepare(scans, out / "dataset", "phantom", image_size=image_size, workers=workers, atlas=atlas)
    run(out / "dataset", out, methods, seeds, epochs, quiet=quiet, verbose=verbose)
    new = write_cohort(out / "unseen", healthy=0, lesion=1, seed=NEW, workers=0, progress=False, atlas=atlas)
    predict_unseen(new, out, predictor, seed, atlas)


def predict_unseen(raw: Path, out: Path, method: str, seed: int, atlas: Path | None) -> None:
    """Pack the run of one method as a model, and predict a raw head that no part of the demo has seen."""
    from lesionless.predict import predict
    from lesionless.prediction.packing import pack_run

    model = out / "model"
    pack_run(out / method / f"seed-{seed}", model, atlas=atlas)
    predict([raw], model, out / "prediction", workers=0, atlas=atlas)
