"""`metadata.json` of a method, as MONAI's bundles have it: the base's, the method's title, and a few facts."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import yaml

from pipeline.catalogue import BASE, available_methods, method_file
from pipeline.errors import PipelineError
from pipeline.files import write_text

FACTS = ("description", "references", "task", "multiple", "score", "value_range", "changelog")


def metadata(method: str, title: str = "") -> dict[str, Any]:
    """What `bundles/<method>/configs/metadata.json` has to say.

    The method's `facts.yaml` holds `description` and `references`, and where the base does not fit: `task`; `multiple`,
    what the sides of a slice are multiples of; `score` and `value_range` of the map; `changelog`, by version.

    Args:
        method: name of an installed method, or of one of the user's own, of which no more is known than its `title`.

    Raises:
        PipelineError: neither, or a fact with a name that nobody reads.
    """
    found: dict[str, Any] = copy.deepcopy(json.loads((BASE / "metadata.json").read_text(encoding="utf-8")))
    if title and method not in available_methods():
        about = f"The method '{method}', which lesionless does not bring along: configs/train.yaml is all of it."
        return {**found, "name": title, "description": about, "references": []}
    file = method_file(method)
    facts: dict[str, Any] = yaml.safe_load(file.with_name("facts.yaml").read_text(encoding="utf-8"))
    for fact in facts:
        if fact not in FACTS:
            raise PipelineError(f"unknown fact '{fact}' of the method '{method}'; available: {', '.join(FACTS)}")
    found["name"] = yaml.safe_load(file.read_text(encoding="utf-8"))["title"]
    found |= {key: facts[key] for key in ("description", "references", "task") if key in facts}
    found["changelog"] |= facts.get("changelog", {})
    found["version"] = [*found["changelog"]][-1]
    image, pred = found["network_data_format"]["inputs"]["image"], found["network_data_format"]["outputs"]["pred"]
    if "multiple" in facts:
        image["spatial_shape"] = pred["spatial_shape"] = 2 * [f"{facts['multiple']}*n"]
    pred["channel_def"] = {"0": facts.get("score", pred["channel_def"]["0"])}
    pred["value_range"] = facts.get("value_range", pred["value_range"])
    return found


def write_metadata() -> list[Path]:
    """Write the `metadata.json` of every installed method; the files that changed."""
    changed = []
    for method in available_methods():
        path = method_file(method).with_name("metadata.json")
        text = json.dumps(metadata(method), indent=2, ensure_ascii=False) + "\n"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
            changed.append(path)
    return changed
