"""Every key of the configurations, with its value and the comment beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from papers import about
from repository import ROOT

KEY = re.compile(r"^(\s*)([\w.]+):\s*(.*)$")
METHOD = """# Keys of a method

Any key can be set: `lesionless run … --set KEY=VALUE`, or `--KEY VALUE` of `python -m monai.bundle run`. A key inside
another is written with two colons, `train::loader::batch_size`. A misspelt key is refused. Values that start with `$`
are Python, and `@key` is the value of another key.
"""
PREPARATION = """# Keys of the preparation

`python -m preprocessing run --config NAME` takes one of these files, or the path of your own. The others say what
differs from `base`.
"""


def pages() -> Iterator[tuple[str, str]]:
    """One page for the pipeline and one for the preparation."""
    base = ROOT / "bundles/base"
    parts = [METHOD, _page("The base", base / "base.yaml")]
    for kind, words in (("parts", "Part"), ("presets", "Preset")):
        parts += [_page(f"{words} `{path.stem}`", path) for path in sorted((base / kind).glob("*.yaml"))]
    yield "reference/keys.md", "\n".join(parts)
    files = sorted((ROOT / "preprocessing/configs").glob("*.yaml"), key=lambda path: (path.stem != "base", path.stem))
    yield "reference/preparation_keys.md", "\n".join([PREPARATION, *(_page(f"`{path.stem}`", path) for path in files)])


def _page(title: str, path: Path) -> str:
    text = path.read_text("utf-8")
    comments = _comments(text)
    rows = [f"| `{key}` | {_value(value)} | {comments.get(key, '')} |" for key, value in _flat(yaml.safe_load(text))]
    return "\n".join([f"## {title}\n", f"{about(text)}\n", "| key | value | |", "|---|---|---|", *rows, ""])


def _flat(content: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Keys with values; a component is one value, a folder of keys is opened."""
    for key, value in content.items():
        if isinstance(value, dict) and value and "_target_" not in value and not key.startswith("$"):
            yield from _flat(value, f"{above}{key}::")
        else:
            yield f"{above}{key}", value


def _value(value: Any) -> str:
    if isinstance(value, dict) and "_target_" in value:
        value = value["_target_"]
    text = str(value).replace("|", "\\|").replace("`", "'")
    return f"`{text if len(text) < 90 else text[:87] + '…'}`"


def _comments(text: str) -> dict[str, str]:
    """Of each key, the comment at the end of its line."""
    found: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in text.splitlines():
        match = KEY.match(line)
        if match is None:
            continue
        depth, key = len(match[1]), match[2]
        above = [(d, name) for d, name in above if d < depth]
        comment = re.search(r"\s#\s(.*)$", match[3])
        if comment:
            found["::".join([*(name for _, name in above), key])] = comment[1].replace("|", "\\|")
        above.append((depth, key))
    return found
