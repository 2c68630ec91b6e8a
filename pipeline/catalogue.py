"""The installed methods, parts and presets, by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

import bundles
from pipeline.errors import PipelineError

BASE = bundles.ROOT / "base"
KINDS = ("floor", "trained", "supervised")
REPLACED = {
    ("preset", "cevae_score"): "it is the method 'cevae' now",
    (
        "part",
        "bercea2022",
    ): "network and loss are the part 'spatial_latent' now, the rates the preset 'bercea2022'",
}


def available_methods() -> list[str]:
    """Names of the installed methods: the folders of `bundles/` with a `configs/method.yaml`."""
    return sorted(path.parent.parent.name for path in bundles.ROOT.glob("*/configs/method.yaml"))


def method_file(method: str) -> Path:
    """The YAML of an installed method, or of a method of one's own given by path (`*.yaml`).

    Raises:
        PipelineError: no such method or file; the message lists the choices.
    """
    path = Path(method) if method.endswith(".yaml") else bundles.ROOT / method / "configs" / "method.yaml"
    if not path.is_file() or method == "base":
        raise PipelineError(
            f"unknown method '{method}'; available: {', '.join(available_methods())}, or a path to a .yaml"
        )
    return path


def preset_file(preset: str) -> Path:
    """The YAML of a preset of `bundles/base/presets`, or one given by path (`*.yaml`).

    Raises:
        PipelineError: no such preset, or a part, which only a method file may list; the message lists the choices.
    """
    if preset.endswith(".yaml") and Path(preset).is_file():
        return Path(preset)
    if preset in available("part"):
        choices = ", ".join(available("preset"))
        raise PipelineError(f"'{preset}' is a part, which only a method file lists; presets: {choices}")
    return _installed("preset", preset, ", or a path to a .yaml")


def part_file(part: str) -> Path:
    """The YAML of a part of `bundles/base/parts`.

    Raises:
        PipelineError: no such part; the message lists the choices.
    """
    return _installed("part", part)


def available(kind: str) -> list[str]:
    """Names of the installed files of a kind, `part` or `preset`."""
    return sorted(path.stem for path in (BASE / f"{kind}s").glob("*.yaml"))


def _installed(kind: str, name: str, more: str = "") -> Path:
    if name not in available(kind):
        hint = REPLACED.get((kind, name)) or f"available: {', '.join(available(kind))}{more}"
        raise PipelineError(f"unknown {kind} '{name}'; {hint}")
    return BASE / f"{kind}s" / f"{name}.yaml"


def _kind(configuration: dict[str, Any]) -> str:
    """Of a method: `supervised` ones list the part of that name."""
    if configuration.get("floor", False):
        return "floor"
    return "supervised" if "supervised" in configuration.get("parts", []) else "trained"


def method_table() -> str:
    """`bundles/README.md`: a markdown table of the installed methods, the floors first, supervised references last."""
    rows = []
    for name in available_methods():
        metadata = json.loads((bundles.ROOT / name / "configs" / "metadata.json").read_text(encoding="utf-8"))
        configuration = yaml.safe_load(method_file(name).read_text(encoding="utf-8"))
        source = metadata["references"][0]
        kind, link = _kind(configuration), f"[`{name}`]({name}/docs/README.md)"
        rows.append((KINDS.index(kind), f"| {link} | {kind} | {metadata['description']} | {source} |"))
    lines = [
        "# The methods",
        "",
        "Written by `lesionless methods --markdown`. Each is a folder with a `configs/method.yaml`.",
        "",
        "| method | | what it computes | source |",
        "|---|---|---|---|",
        *(row for _, row in sorted(rows)),
    ]
    return "\n".join(lines) + "\n"
