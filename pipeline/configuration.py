"""One configuration of several files: the base, the parts of a method, the method, the presets of the user."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from monai.bundle import ConfigParser

import bundles
from pipeline.bundle_file import Pairs, load
from pipeline.catalogue import available_methods, method_file, part_file, preset_file
from pipeline.components import check_value
from pipeline.errors import PipelineError
from pipeline.keys import check_keys, check_positions, check_references, nouns_of_parts
from pipeline.preset import check_preset
from pipeline.references import nouns


def lay_over(parser: ConfigParser, method: str, presets: Sequence[str]) -> None:
    """Lay the parts that a method lists, the method and the presets over the base, in this order.

    Args:
        parser: holds the base; `preset` in it becomes the names of the presets.
        method, presets: installed names, or paths of YAML files.

    Raises:
        PipelineError: a file that is not there; a preset without a name, or that touches what belongs to the method; a
            key that nobody reads, that addresses a place in a list, or that needs a noun which the method lacks.
    """
    own = load(method_file(method))
    _check_name(own, method)
    _import_from(method_file(method).parent)
    parts = {part: load(part_file(part)) for part in own.pop("parts", [])}
    chosen = {str(preset_file(preset)): load(preset_file(preset)) for preset in presets}
    of_method = nouns([own, *parts.values()])
    for part, pairs in parts.items():
        update(parser, pairs, f"the part {part}", pairs)
    update(parser, own, str(method_file(method)), of_method)
    for file, pairs in chosen.items():
        check_preset(pairs, parser, file)
        update(parser, pairs, file, [*nouns(pairs), *nouns_of_parts()])
    for origin, pairs in {**parts, str(method_file(method)): own, **chosen}.items():
        check_references(pairs, parser, origin)
    if chosen:
        parser["preset"] = " + ".join(pairs["preset"] for pairs in chosen.values())


def update(parser: ConfigParser, pairs: Pairs, origin: str, welcome: Iterable[str] = ()) -> None:
    """Set keys of the configuration one by one: a new class decides which arguments the keys after it may add.

    Args:
        welcome: new keys that are welcome, see `check_keys`.

    Raises:
        PipelineError: a key that nobody reads, or that addresses a place in a list.
    """
    check_positions(pairs, parser, origin)
    for key, value in pairs.items():
        check_keys([key], parser, origin, welcome)
        check_value(key, value, parser.get(key, None), origin)
        parser[key] = value


def _check_name(own: Pairs, method: str) -> None:
    """Refuse a method file of one's own without a name, or under the name of an installed method."""
    file, name = method_file(method), own.get("method")
    if not isinstance(name, str) or not name:
        raise PipelineError(f"{file} must say `method: NAME`, the name of its folder and rows of results")
    if name in available_methods() and file.resolve() != method_file(name).resolve():
        raise PipelineError(f"{file} calls itself '{name}', which is an installed method; give it another name")


def _import_from(folder: Path) -> None:
    """Let the method file of one's own name classes of modules that lie beside it."""
    if str(folder.resolve()) not in sys.path and not folder.resolve().is_relative_to(bundles.ROOT.resolve()):
        sys.path.append(str(folder.resolve()))
