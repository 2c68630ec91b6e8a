"""A model that can score: the folder checked, the network with its weights, the thresholds and the normals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pipeline.components import check_components
from pipeline.documents import read_document
from pipeline.errors import PipelineError, check_choice
from pipeline.metrics import ScoreHistogram, Threshold, load_thresholds
from pipeline.predict.folder import verify
from pipeline.predict.normals import Normals
from pipeline.predict.volume import Network

if TYPE_CHECKING:
    from monai.bundle import ConfigParser
    from torch import nn

    from pipeline.inferers import Scorer

METHOD, WEIGHTS, CHOICES, GEOMETRY, THRESHOLDS = (
    *("method.yaml", "model.pt", "choices.json", "dataset.json"),
    "thresholds.json",
)
PREPARATION, CARD, SEEN, PATIENTS = "preparation.json", "card.json", "seen.json", "patients.npz"
TRAINING = "training.yaml"  # the method as it was trained, with all stages


@dataclass(frozen=True)
class Model:
    """A packed model.

    Args:
        folder: where it is. facts: its manifest. digest: SHA-256 of the manifest: two models with one digest are equal.
        thresholds: each with its rule; those of a cell are named `rule@cell`.
        normals: held-out healthy scans, by cell; the cell of a model without groups is the empty string.
        patients: histograms of labelled scans, whole volumes; None without.
    """

    folder: Path
    facts: dict[str, Any]
    digest: str
    thresholds: dict[str, list[Threshold]]
    normals: dict[str, Normals]
    patients: ScoreHistogram | None

    def cell(self, name: str | None) -> str:
        """The cell of that name, `--cell`; the only one for None.

        Raises:
            PipelineError: the model has several cells and none is named, or no such cell.
        """
        if name is None and len(self.normals) > 1:
            raise PipelineError(f"this model has cells: choose one by --cell; available: {', '.join(self.normals)}")
        if name is None:
            return next(iter(self.normals))
        check_choice("cell", name, [cell for cell in self.normals if cell])
        return name

    def threshold(self, rule: str | None, cell: str) -> Threshold:
        """The threshold of a cell by its rule; None: the one that the model names as its own.

        Raises:
            PipelineError: no such rule; the message lists the choices.
        """
        known = {threshold.rule: threshold for threshold in self.thresholds[cell]}
        name = rule or self.facts["threshold"]
        check_choice("threshold", name, known)
        return known[name]

    def document(self, name: str) -> Any:
        """The content of one of its JSON files."""
        return read_document(self.folder / name)


def read_model(folder: Path) -> Model:
    """Check a model folder and read everything but the network.

    Raises:
        PipelineError: see `verify`; or it has no thresholds.
    """
    facts, digest = verify(folder)
    if THRESHOLDS not in facts["files"]:
        raise PipelineError(f"'{folder}' has no thresholds: pack it again after the stage calibrate")
    cells = facts["cells"]
    thresholds = load_thresholds(folder / THRESHOLDS)
    of_cell = {cell: [_plain(t, cell) for t in thresholds if _belongs(t, cell)] for cell in cells}
    normals = {cell: Normals.load(folder, name) for cell, name in cells.items()}
    patients = ScoreHistogram.load(folder / PATIENTS) if PATIENTS in facts["files"] else None
    return Model(folder, facts, digest, of_cell, normals, patients)


def load_network(model: Model) -> Network:
    """The network with its weights, in evaluation mode; loaded once a process.

    Raises:
        PipelineError: the weights do not fit.
    """
    return _kept(model.folder, model.digest)


@lru_cache(maxsize=1)
def _kept(folder: Path, digest: str) -> Network:
    return build_network(folder)


def build_network(folder: Path) -> Network:
    """The network of the method in `folder`, with the weights that lie there."""
    parser = method_parser(folder)
    values = [parser.get_parsed_content(name) for name in ("device", "seed", "erosion_mm", "erosion_px")]
    return Network(*network_and_scorer(parser), *values)


def network_and_scorer(parser: ConfigParser) -> tuple[nn.Module, Scorer]:
    """The trained network and the scorer of a method; a network that is not trained is drawn by the method's seed.

    Raises:
        PipelineError: a class of the method that is not there.
    """
    check_components(parser.config)
    with torch.random.fork_rng():
        torch.manual_seed(int(parser["seed"]))
        return parser.get_parsed_content("trained_network"), parser.get_parsed_content("scorer")


def method_parser(folder: Path) -> ConfigParser:
    """The method as it was resolved, with every path inside `folder`; what it chooses by is chosen."""
    from monai.bundle import ConfigParser

    parser = ConfigParser()
    parser.read_config(str(folder / METHOD))
    paths = {"dataset_dir": folder, "output_dir": folder, "weights_path": folder / WEIGHTS}
    parser.update({name: expression(path) for name, path in paths.items()})
    if "tuning::criterion" in parser:
        parser["tuning::criterion"] = None
    return parser


def expression(path: Path) -> str:
    """A path as MONAI takes it: written as it is, `#`, `@`, `%` and `$` would be syntax."""
    return f"$bytes.fromhex('{str(path.absolute()).encode().hex()}').decode()"


def own_values(folder: Path, *keys: str) -> list[Any]:
    """Values of the method's configuration."""
    parser = method_parser(folder)
    return [parser.get_parsed_content(key) for key in keys]


def _belongs(threshold: Threshold, cell: str) -> bool:
    return threshold.rule.partition("@")[2] == cell


def _plain(threshold: Threshold, cell: str) -> Threshold:
    return replace(threshold, rule=threshold.rule.partition("@")[0])
