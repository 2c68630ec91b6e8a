"""What MONAI's verbs and the lookups of MONAI Label and Deploy make of a bundle: a row of the table in EXPORT.md."""

from __future__ import annotations

import json
import re
import tempfile
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from monai.bundle import ConfigParser, ckpt_export, onnx_export, verify_metadata, verify_net_in_out
from tiny_models import GRID

from pipeline.export.files import TOLERANCE, _operator, probe, run_onnx, run_torchscript
from pipeline.export.program import ASKS, DRAWS, LONG
from pipeline.export.served import check_bundle, load_scorer
from pipeline.predict.folder import sha256

HEADS = ("method", "metadata", "net in/out", "TorchScript", "ONNX", "Label keys", "Deploy keys")
SCHEMA = Path(__file__).with_name("metadata_schema.json")
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "EXPORT.md"
EQUAL = "equal"


def row(root: Path, work: Path, onnx: bool) -> dict[str, str]:
    """The cells by the heads of their columns; a verb raises, or an assertion fails, where the bundle is wrong.

    Args:
        root: of the bundle. work: folder for what the verbs write.
        onnx: also run `onnx_export`, which takes seconds.
    """
    meta = str(root / "configs" / "metadata.json")
    given: dict[str, Any] = {"config_file": str(root / "configs" / "inference.yaml"), "bundle_root": str(root)}
    verify_metadata(meta_file=meta, filepath=str(SCHEMA), hash_val=sha256(SCHEMA), hash_type="sha256")
    verify_net_in_out("network_def", meta_file=meta, device="cpu", **given)
    given |= {"meta_file": meta, "ckpt_file": str(root / "models" / "model.pt")}
    missing = check_bundle(root)["missing"]
    image = probe(GRID, 2)
    expected = load_scorer(root)(image).detach()
    torchscript = f"none: {missing['model.ts']}" if "model.ts" in missing else EQUAL
    if "model.ts" not in missing:
        ckpt_export("network_def", str(work / "again.ts"), **given)
        for path in (root / "models" / "model.ts", work / "again.ts"):
            assert _difference(run_torchscript(path, image), expected) <= 1, path
    as_label_reads(root)
    as_deploy_reads(root, has_program="model.ts" not in missing)
    return {
        "metadata": "ok",
        "net in/out": "ok",
        "TorchScript": torchscript,
        "ONNX": _onnx(work / "again.onnx", image, expected, torchscript, given) if onnx else "not tried",
        "Label keys": "ok",
        "Deploy keys": "ok" if "model.ts" not in missing else "needs lesionless",
    }


def _difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    """In units of what is allowed."""
    return float((found - expected).abs().max()) / (TOLERANCE * max(1.0, float(expected.abs().max())))


def _onnx(path: Path, image: torch.Tensor, expected: torch.Tensor, torchscript: str, given: dict[str, Any]) -> str:
    if any(torchscript == f"none: {reason}" for reason in (DRAWS, ASKS, LONG)):
        return torchscript
    with (
        mock.patch.object(tempfile, "tempdir", str(path.parent)),
        warnings.catch_warnings(),
    ):  # torch leaves weights there
        warnings.simplefilter("ignore", FutureWarning)  # of torch's exporter
        try:
            onnx_export("program_def", str(path), **given)
        except torch.onnx.errors.OnnxExporterError as error:
            return f"none: {_operator(error)}"
    return EQUAL if _difference(run_onnx(path, image), expected) <= 1 else "none: its map differs from Python's"


def as_label_reads(root: Path) -> None:
    """MONAI Label: one inference file, its keys, and the first entries of network_data_format."""
    assert "detection" not in root.name
    parser = ConfigParser()
    parser.read_config(str(root / "configs" / "inference.yaml"))
    for key in ("network_def", "preprocessing", "postprocessing", "inferer", "device", "bundle_root"):
        assert key in parser, key
    assert parser["preprocessing"]["transforms"][0]["_target_"] == "LoadImaged"
    assert parser["postprocessing"]["transforms"][-1]["_target_"] == "SaveImaged"
    layout = json.loads((root / "configs" / "metadata.json").read_text())["network_data_format"]
    assert next(iter(layout["inputs"])) == "image" and next(iter(layout["outputs"])) == "pred"
    assert layout["inputs"]["image"]["spatial_shape"] == layout["outputs"]["pred"]["spatial_shape"] == [32, 32, 81]


def as_deploy_reads(root: Path, has_program: bool) -> None:
    """MONAI Deploy: metadata and configuration inside of the TorchScript file."""
    if not has_program:
        assert "lesionless" in json.loads((root / "configs/metadata.json").read_text())["required_packages_version"]
        return
    files = {"metadata.json": "", "inference.json": ""}
    torch.jit.load(root / "models" / "model.ts", _extra_files=files)
    assert json.loads(files["metadata.json"])["network_data_format"]["inputs"]["image"]["num_channels"] == 1
    assert {"preprocessing", "postprocessing", "inferer"} <= set(json.loads(files["inference.json"]))


def without_figures(cell: str) -> str:
    """A reason without the figures of this machine."""
    return re.sub(r" by [\d.e+-]+, more than .*", "", cell)


def documented() -> dict[str, dict[str, str]]:
    """The table of docs/EXPORT.md by method and column, with the reasons in place of their letters."""
    text = DOCUMENT.read_text("utf-8")
    reasons = dict(re.findall(r"^\* \((\w)\) (.*)\.$", text, re.MULTILINE))
    lines = [[cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines() if line[:1] == "|"]
    rows = [dict(zip(HEADS, line, strict=True)) for line in lines if len(line) == len(HEADS)]
    return {
        found["method"]: {
            head: re.sub(r"^none \((\w)\)$", lambda letter: f"none: {reasons[letter[1]]}", cell)
            for head, cell in found.items()
        }
        for found in rows
    }
