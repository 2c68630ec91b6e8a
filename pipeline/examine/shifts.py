"""What is left of a method when the images are another scanner's."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from ignite.engine import Engine, Events
from monai.bundle import ConfigParser
from torch import Tensor

from pipeline.data import load_manifest
from pipeline.errors import PipelineError, unwrapped
from pipeline.files import write_csv
from pipeline.handlers import ScoreHistogramHandler
from pipeline.inferers.smoothing import smooth_in_plane
from pipeline.metrics import ScoreHistogram, average_precision
from pipeline.report.results import Run, find_runs
from pipeline.report.shifted import TABLE, UNCHANGED
from pipeline.run_state import RECIPE

DARKEST = 1e-3  # where a change leaves the brain dark, as the brain is where the image is positive
Change = Callable[[Tensor, Tensor], Tensor]


def with_blur(sigma: float) -> Change:
    """After a Gaussian in the plane, σ in pixels, within the brain.

    Example:
        >>> flat = torch.full((1, 1, 8, 8), 0.5)
        >>> torch.allclose(with_blur(1.5)(flat, flat > 0), flat)
        True
    """
    return lambda image, brain: smooth_in_plane(image * brain, brain, sigma) * brain


def with_gamma(exponent: float) -> Change:
    """`m (x / m)^γ`, m the median of the brain.

    Example:
        >>> image = torch.tensor([[[[0.2, 0.4, 0.8]]]])
        >>> with_gamma(2.0)(image, image > 0).flatten().tolist() == [0.10000000149011612, 0.4000000059604645, 1.0]
        True
    """

    def change(image: Tensor, brain: Tensor) -> Tensor:
        median = image[brain].median() if brain.any() else image.new_tensor(1.0)
        return (median * (image / median) ** exponent).clamp(0, 1) * brain

    return change


def with_bias(image: Tensor, brain: Tensor) -> Tensor:
    """Times a smooth field from 0.8 at one corner of the frame to 1.2 at the other."""
    rows, columns = (torch.linspace(-1, 1, size, device=image.device) for size in image.shape[-2:])
    field = 1 + 0.1 * (rows[:, None] + columns[None, :])
    return (image * field).clamp(0, 1) * brain


def unchanged(image: Tensor, brain: Tensor) -> Tensor:
    """The image itself."""
    return image


SHIFTS: dict[str, Change] = {
    UNCHANGED: unchanged,
    "blur 1.5 px": with_blur(1.5),
    "gamma 0.8": with_gamma(0.8),
    "gamma 1.2": with_gamma(1.2),
    "bias field ±20 %": with_bias,
}


class Shifted:
    """Changes the images of an evaluator before they are scored, and counts the scores.

    Args:
        change: `(image, brain) -> image`, all [N, 1, H, W], the slices of a scan.
    """

    def __init__(self, change: Change) -> None:
        self.change = change
        self.histogram = ScoreHistogram()

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.ITERATION_STARTED, self._shift)
        ScoreHistogramHandler(self.histogram).attach(engine)

    def figures(self) -> dict[str, float]:
        """Pooled average precision, and its mean over the scans with a lesion."""
        counts = [self.histogram.scan(scan) for scan in self.histogram.scans]
        of_scans = [average_precision(one).value for one in counts if one.n_positive]
        pooled = average_precision(self.histogram.pooled()).value
        return {"auprc": pooled, "scan_ap": float(np.mean(of_scans)) if of_scans else np.nan}

    def _shift(self, engine: Engine) -> None:
        state: Any = engine.state
        image, brain = state.batch["image"], state.batch["brain"]
        changed = torch.where(brain, self.change(image, brain).clamp_min(DARKEST), image)
        state.batch = {**state.batch, "image": changed}


def under_shift(runs: str | Path, methods: list[str] | None = None) -> pd.DataFrame:
    """Average precision of each run on test images that were changed, with the thresholds and weights that it has.

    Each run's figures are written to `shifts.csv` in its folder, and are not computed again.

    Args:
        runs: folder of results, RUNS/<method>/seed-<s>.
        methods: those to look at; None: all.

    Returns:
        One row a method, seed and shift: `method`, `seed`, `shift`, `auprc`, `scan_ap`.

    Raises:
        PipelineError: a run whose recipe is missing, or whose data set has changed.
    """
    tables = []
    for run in find_runs(runs, methods):
        path = run.folder / TABLE
        if not path.is_file() or path.stat().st_mtime < (run.folder / "metrics.csv").stat().st_mtime:
            write_csv(path, _measured(run, Path(runs), SHIFTS))
        tables.append(pd.read_csv(path))
    return pd.concat(tables, ignore_index=True)


def _measured(run: Run, runs: Path, shifts: Mapping[str, Change]) -> pd.DataFrame:
    parser = configuration_of(run, runs)
    with unwrapped():
        split_evaluator, split = (parser.get_parsed_content(key) for key in ("split_evaluator", "evaluated_split"))
    rows = []
    for name, change in shifts.items():
        shifted = Shifted(change)
        split_evaluator(split=split, handlers=[shifted]).run()
        rows.append({"method": run.method, "seed": run.seed, "shift": name, **shifted.figures()})
    return pd.DataFrame(rows)


def configuration_of(run: Run, runs: Path) -> ConfigParser:
    """What a run was made by, with its presets and overrides, ready to score scans again.

    Args:
        run: of `find_runs(runs)`. runs: folder of results.

    Raises:
        PipelineError: a run without a recipe, or whose data set has changed.
    """
    path = run.folder / RECIPE
    if not path.is_file():
        raise PipelineError(f"'{run.folder}' has no {RECIPE}: `lesionless run DATASET` writes it")
    recipe = json.loads(path.read_text("utf-8"))
    found = load_manifest(recipe["dataset_dir"])["hash"]
    if found != recipe["dataset_hash"]:
        raise PipelineError(f"'{run.folder}' was measured on another data set than '{recipe['dataset_dir']}' is now")
    return ConfigParser({**recipe["config"], "dataset_dir": recipe["dataset_dir"], "runs_dir": str(runs)})
