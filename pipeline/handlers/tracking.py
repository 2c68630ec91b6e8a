"""Experiment tracking by MONAI's handlers: the epoch means of a training in TensorBoard and MLflow."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from pipeline.errors import PipelineError

INSTALL = "pip install 'lesionless[tracking]'"


def track(engine: Engine, folder: Path, tensorboard: bool, mlflow: str | None) -> None:
    """Let `engine.state.metrics` of every epoch be written, in the order in which handlers were attached.

    Args:
        engine: of the training.
        folder: of the run, `METHOD/seed-N`: the names of experiment and run in MLflow.
        tensorboard: whether to write event files to `folder/tensorboard`.
        mlflow: tracking URI, such as `sqlite:////home/me/runs.db` or `http://HOST:PORT`; None: none.

    Raises:
        PipelineError: a package is missing, or MLflow does not take the URI.
    """
    for handler in _handlers(folder, tensorboard, mlflow):
        handler.attach(engine)
        engine.add_event_handler(Events.COMPLETED, lambda _, handler=handler: handler.close())


def _handlers(folder: Path, tensorboard: bool, mlflow: str | None) -> list[Any]:
    from monai.handlers import MLFlowHandler, TensorBoardStatsHandler

    found: list[Any] = []
    if tensorboard:
        _check("tensorboard")
        found.append(TensorBoardStatsHandler(log_dir=str(folder / "tensorboard"), iteration_log=False))
    if mlflow is not None:
        _check("mlflow")
        method, seed = folder.absolute().parts[-2:]
        try:
            found.append(MLFlowHandler(mlflow, iteration_log=False, experiment_name=method, run_name=seed))
        except ValueError as error:
            raise PipelineError(f"mlflow '{mlflow}': {error}") from error
    return found


def _check(package: str) -> None:
    if find_spec(package) is None:
        raise PipelineError(f"tracking by {package} needs that package: {INSTALL}")
