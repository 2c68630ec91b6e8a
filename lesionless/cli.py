"""The command `lesionless`: a thin door to preprocessing and pipeline, a module a verb.

A verb's module imports what it works with inside its function, so that `--help` opens at once: no torch, no MONAI.
"""

from __future__ import annotations

import logging
import sys

import typer

from lesionless.ablation import ablation
from lesionless.bids import SeveralValues, bids
from lesionless.calibrate import calibrate
from lesionless.demo import demo
from lesionless.examine import examine
from lesionless.export import export
from lesionless.methods import methods
from lesionless.metrics import metrics
from lesionless.pack import pack
from lesionless.predict import predict
from lesionless.report import report
from lesionless.rerun import rerun
from lesionless.run import run
from lesionless.status import status
from lesionless.tables import tables
from pipeline import threads
from pipeline.errors import PipelineError
from preprocessing.errors import PreprocessingError

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Brain lesions without lesion labels.")
VERBS = (
    demo,
    run,
    rerun,
    status,
    predict,
    pack,
    export,
    calibrate,
    ablation,
    report,
    tables,
    examine,
    methods,
    metrics,
)
for verb in VERBS:
    app.command()(verb)
app.command(cls=SeveralValues)(bids)


def main() -> None:
    """Run the command; a user's mistake ends with one line and exit status 2."""
    logging.getLogger("monai.bundle.workflows").setLevel(logging.WARNING)
    threads.begin()
    try:
        app()
    except (PipelineError, PreprocessingError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(2) from None
