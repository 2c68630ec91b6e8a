"""The installed methods and mixins, by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

import bundles
from pipeline.errors import PipelineError

BASE = bundles.ROOT / "base" / "configs"
KINDS = ("floor", "trained", "supervised")


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


def mixin_file(mixin: str) -> Path:
    """The YAML of a mixin of `bundles/base/configs`, or one given by path.

    Raises:
        PipelineError: no such mixin; the message lists the choices.
    """
    path = Path(mixin) if mixin.endswith(".yaml") else BASE / f"{mixin}.yaml"
    if not path.is_file():
        choices = sorted(p.stem for p in BASE.glob("*.yaml") if p.stem != "base")
        raise PipelineError(f"unknown mixin '{mixin}'; available: {', '.join(choices)}, or a path to a .yaml")
    return path


def _kind(configuration: dict[str, Any]) -> str:
    """Of a method: `supervised` ones list the mixin of that name."""
    if configuration.get("floor", False):
        return "floor"
    return "supervised" if "supervised" in configuration.get("mixins", []) else "trained"


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
