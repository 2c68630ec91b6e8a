"""TorchScript and ONNX files of a scorer; each is kept only where it draws the map that Python draws."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from pipeline.errors import PipelineError
from pipeline.export.program import NoProgram, Program
from pipeline.export.scorer_network import AtlasGrid, ScorerNetwork

TORCHSCRIPT, ONNX = "model.ts", "model.onnx"
TOLERANCE = 1e-4  # of the largest score, or of 1 where all scores are below


def write_programs(scorer: ScorerNetwork, folder: Path, onnx: bool = True) -> dict[str, str]:
    """Write `model.ts` and `model.onnx`, where the scorer has them; for each that is missing, the reason.

    Args:
        scorer: with `whole`. folder: of the files.
        onnx: whether to try; it takes most of the time.
    """
    missing: dict[str, str] = {}
    image, other = (probe(scorer.grid, seed) for seed in (0, 1))
    try:
        program = Program(scorer, image).eval()
    except NoProgram as error:
        return {TORCHSCRIPT: str(error), ONNX: str(error)}
    writers: dict[str, Callable[[Program, torch.Tensor, Path], None]] = {TORCHSCRIPT: _torchscript}
    if onnx:
        writers[ONNX] = _onnx
    else:
        missing[ONNX] = "left out, as --no-onnx asked for"
    with torch.no_grad():
        expected = ScorerNetwork(scorer.network, scorer.scorer, scorer.grid, scorer.seed)(other)
    for name, write in writers.items():
        try:
            write(program, image, folder / name)
            _check_map(RUN[name](folder / name, other), expected)
        except NoProgram as error:
            missing[name] = str(error)
            (folder / name).unlink(missing_ok=True)
    return missing


def probe(grid: AtlasGrid, seed: int) -> torch.Tensor:
    """A brain of noise in an ellipsoid, [1, 1, X, Y, Z]: another one for every seed."""
    generator = torch.Generator().manual_seed(seed)
    axes = [torch.linspace(-1, 1, n) for n in grid.shape]
    radius = sum(axis.square() for axis in torch.meshgrid(*axes, indexing="ij"))
    coarse = torch.rand((1, 1, 6, 6, 6), generator=generator)
    waves = torch.nn.functional.interpolate(coarse, grid.shape, mode="trilinear")[0, 0]
    grain = torch.rand(grid.shape, generator=generator)
    return ((0.8 * waves + 0.2 * grain).clamp_min(0.01) * (radius < 0.7 - 0.1 * seed))[None, None]


def run_torchscript(path: Path, image: torch.Tensor) -> torch.Tensor:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit, which MONAI's bundles use
        return torch.jit.load(path, map_location="cpu")(image)


def run_onnx(path: Path, image: torch.Tensor) -> torch.Tensor:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"image": image.numpy()})[0])


RUN = {TORCHSCRIPT: run_torchscript, ONNX: run_onnx}


def _torchscript(program: Program, image: torch.Tensor, path: Path) -> None:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch.jit is deprecated; constants are meant to be constants
        try:
            torch.jit.save(torch.jit.trace(program, image, check_trace=False), path)
        except RuntimeError as error:
            raise NoProgram(f"TorchScript: {str(error).splitlines()[0]}") from error


def _onnx(program: Program, image: torch.Tensor, path: Path) -> None:
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise PipelineError(f"ONNX files need {error.name}: pip install 'lesionless[export]', or --no-onnx") from error
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    names: dict[str, Any] = {"input_names": ["image"], "output_names": ["pred"]}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(program, (image,), path, dynamo=True, external_data=False, verbose=False, **names)
        except torch.onnx.errors.OnnxExporterError as error:
            raise NoProgram(_operator(error)) from error


def _operator(error: BaseException) -> str:
    cause = str(error)
    name = cause.partition("OpOverload(op='")[2].partition("'")[0]
    return f"ONNX has no operator {name}" if name else f"ONNX: {cause.splitlines()[0]}"


def _check_map(found: torch.Tensor, expected: torch.Tensor) -> None:
    difference = float((found - expected).abs().max())
    limit = TOLERANCE * max(1.0, float(expected.abs().max()))
    if not difference <= limit:
        raise NoProgram(f"its map differs from Python's by {difference:.2g}, more than {limit:.2g}")
