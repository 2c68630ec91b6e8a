"""Which keys a file of a method, a part, a preset or a command line may set."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable, Mapping
from typing import Any

from monai.bundle import ConfigParser, ReferenceResolver

from pipeline.bundle_file import load
from pipeline.catalogue import available, part_file
from pipeline.components import find, signature
from pipeline.errors import PipelineError
from pipeline.references import references, strings

READ_BY_MONAI = ("imports", "initialize", "finalize")
OPEN = ("inputs",)  # mappings that take new entries, besides those of `_takes_entries`
REPLACED_KEYS = {
    "mixins": "the parts of a method are listed as `parts`, presets are given on the command line",
    "thresholds_path": "thresholds lie in output_dir/thresholds.json",
    "schedule": "it is train::after::constraint_schedule, or learning_rate_schedule",
    "decay": "it is train::before::decay",
    "follow": "it is train::before::follow",
    "measured": "it is evaluate::measures",
}


def check_keys(keys: Iterable[str], parser: ConfigParser, origin: str, welcome: Iterable[str] = ()) -> None:
    """Refuse keys that nobody reads; MONAI takes them in silence.

    A key is known when it exists, when it names an argument of the component that it lies in, or an entry of a mapping
    that is open to them.

    Args:
        welcome: new keys of the configuration itself that are welcome, since something refers to them.

    Raises:
        PipelineError: the first unknown key, with those that look like it; a key below a noun that the method lacks.
    """
    for key in keys:
        parent, _, leaf = key.rpartition(ReferenceResolver.sep)
        reserved = not parent and (leaf in welcome or leaf in READ_BY_MONAI or leaf.startswith("run_"))
        if key in parser or reserved or _takes_entries(parser, parent):
            continue
        if key in REPLACED_KEYS:
            raise PipelineError(f"unknown key '{key}' in {origin}; {REPLACED_KEYS[key]}")
        if parent and parent not in parser:
            leaf = key.partition(ReferenceResolver.sep)[0]
            if leaf in parser or leaf in nouns_of_parts():
                raise PipelineError(f"{origin} needs '{parent}', which the method '{parser['method']}' does not have")
            parent = ""
        siblings: Any = parser[parent]
        known = dict.fromkeys([*siblings, *arguments(siblings, parent)] if isinstance(siblings, dict) else [])
        if leaf not in known:
            close = difflib.get_close_matches(leaf, known, n=3) or sorted(k for k in known if not k.startswith("_"))
            raise PipelineError(f"unknown key '{key}' in {origin}; did you mean: {', '.join(close)}?")


def check_positions(keys: Iterable[str], parser: ConfigParser, origin: str) -> None:
    """Refuse `train::handlers::1::path`: what is addressed by its place in a list is another thing tomorrow.

    Raises:
        PipelineError: the first of them, with the nouns beside the list.
    """
    for key in keys:
        names = key.split(ReferenceResolver.sep)
        place = next((index for index, name in enumerate(names) if name.isdigit()), None)
        if place is not None:
            beside = ReferenceResolver.sep.join(names[: place - 1])
            around: Any = parser.get(beside, {})
            choices = [f"{beside}::{name}".removeprefix("::") for name in around if name not in names]
            raise PipelineError(
                f"'{key}' in {origin} addresses a place in a list; override a noun: {', '.join(choices)}"
            )


def check_references(pairs: Any, parser: ConfigParser, origin: str) -> None:
    """Refuse a file that refers (`@noun`) to nouns which the method does not have.

    Raises:
        PipelineError: the first of them.
    """
    for key in references([pairs]):
        if key not in parser:
            raise PipelineError(f"{origin} needs '{key}', which the method '{parser['method']}' does not have")


def arguments(component: Mapping[str, Any], place: str) -> list[str]:
    """Names of the arguments of the class or function that a component is made by; none where it is no component."""
    return signature(find(component["_target_"], place)) or [] if "_target_" in component else []


def _takes_entries(parser: ConfigParser, key: str) -> bool:
    """Whether a mapping takes new entries: its values are put into a list, or it is the argument of a component."""
    if key not in parser or not isinstance(parser[key], dict) or "_target_" in parser[key]:
        return False
    around: Any = parser[key.rpartition(ReferenceResolver.sep)[0]]
    in_a_list = any(f"*@{key}.values()" in text for text in strings(parser.config))
    return key in OPEN or in_a_list or (key.count(ReferenceResolver.sep) > 0 and "_target_" in around)


@functools.cache
def nouns_of_parts() -> frozenset[str]:
    """Keys that installed parts add: a preset may set them for those methods of a table that have them."""
    return frozenset(key for part in available("part") for key in load(part_file(part)))
