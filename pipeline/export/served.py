"""An exported bundle where this package is installed: checked, and its scorer made in Python."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from pipeline.documents import check_kinds, read_document
from pipeline.errors import PipelineError, report_in_one_line, unwrapped
from pipeline.export.files import probe
from pipeline.export.program import Program
from pipeline.export.scorer_network import AtlasGrid, ScorerNetwork, SliceScores
from pipeline.predict.folder import sha256
from pipeline.predict.model import method_parser, network_and_scorer

SEAL = "bundle.json"
FORMAT = {"format": "lesionless-bundle", "version": 1}
GRID = {"shape": 3 * [int], "affine": 4 * [4 * [float]], "size": int, "first": int, "step": int, "tissue_share": float}
KINDS = {"files": {str: str}, "grid": GRID, "missing": {str: str}, "method": str}


def begin(bundle_root: str | Path) -> None:
    """The first entry of `initialize`: a user's mistake ends `python -m monai.bundle` with one line, also what follows.

    Raises:
        PipelineError: see `check_bundle`.
    """
    report_in_one_line(sys.modules["__main__"])
    check_bundle(bundle_root)


def check_bundle(bundle_root: str | Path) -> dict[str, Any]:
    """What the bundle's seal says, once every file is the one that was exported.

    Raises:
        PipelineError: no bundle, one of another release, or a file that is missing or was changed.
    """
    path = Path(bundle_root) / SEAL
    if not path.is_file():
        raise PipelineError(f"'{bundle_root}' is no exported bundle: {SEAL} is missing; `lesionless export` writes it")
    seal = read_document(path)
    check_kinds(seal, {"release": str}, str(path))
    if {key: seal.get(key) for key in FORMAT} != FORMAT or seal["release"] != version("lesionless"):
        raise PipelineError(
            f"{path} is of release {seal['release']}, this is lesionless {version('lesionless')}: "
            f"pip install lesionless=={seal['release']}, or export the model again"
        )
    check_kinds(seal, KINDS, str(path))
    for name, digest in seal["files"].items():
        _check(Path(bundle_root), name, digest)
    found: dict[str, Any] = seal
    return found


def _check(root: Path, name: str, digest: str) -> None:
    file = root / name
    if not file.resolve().is_relative_to(root.resolve()):
        raise PipelineError(f"'{root}': its file '{name}' lies outside; the bundle is not used")
    if not file.is_file():
        raise PipelineError(f"'{file}' is missing; copy the bundle again")
    if sha256(file) != digest:
        raise PipelineError(f"'{file}' is not the file that was exported (SHA-256 differs); copy the bundle again")


def load_scorer(bundle_root: str | Path, device: str | torch.device = "cpu", compile: bool = False) -> ScorerNetwork:
    """The scorer of an exported bundle, in Python.

    Args:
        bundle_root: its folder. device: of its network.
        compile: calls of the network go through `torch.compile`.

    Raises:
        PipelineError: see `check_bundle`.
    """
    grid = check_bundle(bundle_root)["grid"]
    scorer = build_scorer(Path(bundle_root) / "models", AtlasGrid(**grid), device=device)
    if compile:
        scorer.network.compile()
    return scorer


def load_slice_scores(bundle_root: str | Path, device: str | torch.device = "cpu") -> ScorerNetwork:
    """The scores of an exported bundle on the grid of its network, for maps of raw scans.

    Raises:
        PipelineError: see `check_bundle`.
    """
    grid = check_bundle(bundle_root)["grid"]
    return build_scorer(Path(bundle_root) / "models", AtlasGrid(**grid), device=device, kind=SliceScores)


def load_program(bundle_root: str | Path) -> Program:
    """The scorer of an exported bundle as tensor operations alone, from which `onnx_export` makes its file.

    Raises:
        NoProgram: the scorer has none; the message says why. PipelineError: see `check_bundle`.
    """
    grid = AtlasGrid(**check_bundle(bundle_root)["grid"])
    return Program(build_scorer(Path(bundle_root) / "models", grid, whole=True), probe(grid, 0)).eval()


def noun(noun: Any) -> Any:
    """What `noun` refers to: the component that stands for a reference where a list has to hold components."""
    return noun


def build_scorer(
    folder: Path,
    grid: AtlasGrid,
    whole: bool = False,
    device: str | torch.device = "cpu",
    kind: type[ScorerNetwork] = ScorerNetwork,
) -> ScorerNetwork:
    """The scorer of the model in `folder`, in float32.

    Raises:
        PipelineError: the weights are missing or those of another network.
    """
    parser = method_parser(folder)
    parser["precision"] = "fp32"
    parser["device"] = str(device)
    with unwrapped():
        network, scorer = network_and_scorer(parser)
    return kind(network.eval(), scorer, grid, int(parser["seed"]), whole).eval().to(device)
