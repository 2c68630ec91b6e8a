"""JSON documents that anybody may have written: read whole, and looked at before they are believed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError

LONGEST = 1 << 28  # bytes
NAMES = {str: "a text", bool: "true or false", int: "a whole number", float: "a finite number"}


def read_document(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        PipelineError: longer than 256 MB, or no JSON.
        OSError: it cannot be read.
    """
    if path.stat().st_size > LONGEST:
        raise PipelineError(f"{path}: longer than {LONGEST >> 20} MB; this is no document of lesionless")
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise PipelineError(f"{path}: truncated or not JSON; copy it again, or make it again") from error


def check_kinds(value: Any, kind: Any, where: str) -> None:
    """Refuse a value of another kind.

    Args:
        value: of a JSON document.
        kind: `str`, `bool`, `int` or `float` (finite); `[kind]`, a list of any length; `[kind, kind, …]`, one of that
            length; `{key: kind}`, a mapping with these keys, of which those that end in `?` may be left out, and with
            others; `{str: kind}`, a mapping of any keys.
        where: the value stands, for the message.

    Raises:
        PipelineError: the first that is of another kind.

    Example:
        >>> check_kinds({"size": 3, "z": [1, 2]}, {"size": int, "z": [int, int], "name?": str}, "x.json")
        >>> check_kinds({"size": "3"}, {"size": int}, "x.json")
        Traceback (most recent call last):
        pipeline.errors.PipelineError: x.json: size must be a whole number, got '3'
    """
    if isinstance(kind, dict) and isinstance(value, dict):
        for key, inner in _keys(value, kind, where):
            check_kinds(value[key], inner, f"{where}: {key}")
    elif isinstance(kind, list) and isinstance(value, list) and len(kind) in (1, len(value)):
        for place, item in enumerate(value):
            check_kinds(item, kind[place % len(kind)], f"{where}: {place}")
    elif not _is(value, kind):
        raise PipelineError(f"{where} must be {_name(kind)}, got {_short(value)}")


def _keys(value: Mapping[str, Any], kind: Mapping[Any, Any], where: str) -> Iterator[tuple[str, Any]]:
    if set(kind) == {str}:
        yield from ((key, kind[str]) for key in value)
        return
    for key, inner in kind.items():
        name = key.removesuffix("?")
        if name in value:
            yield name, inner
        elif name == key:
            raise PipelineError(f"{where}: {key} is missing")


def _is(value: Any, kind: Any) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 53
    return isinstance(kind, type) and isinstance(value, kind)


def _name(kind: Any) -> str:
    if isinstance(kind, list):
        return "a list" if len(kind) == 1 else f"a list of {len(kind)}"
    return "a mapping" if isinstance(kind, dict) else NAMES[kind]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
