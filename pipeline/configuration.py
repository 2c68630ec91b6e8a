"""One configuration of several files: the base, the parts of a method, the method, the presets of the user."""

from __future__ import annotations

import copy
import difflib
import functools
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser, ReferenceResolver

import bundles
from pipeline.catalogue import available, available_methods, method_file, part_file, preset_file
from pipeline.components import check_value, components, find, signature
from pipeline.errors import PipelineError

# what a method is: no preset touches these, nor the class of any component
OF_THE_METHOD = (
    "method", "title", "floor", "recipe", "parts", "run_train", "run_evaluate",
    "network_def", "network", "trained_network", "loss", "constraint", "inferer", "scorer",
    "split_evaluator::network", "split_evaluator::inferer", "train::trainer::inferer",
    "train::trainer::loss_function", "train::trainer::prepare_batch",
)  # fmt: skip
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

Pairs = dict[str, Any]


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
        update(parser, pairs, file, [*nouns(pairs), *_nouns_of_parts()])
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


def load(file: Path) -> Pairs:
    """The keys and values of a YAML file, nested keys separated by `::`.

    Raises:
        PipelineError: the file is not a mapping of keys to values.
    """
    return copy.deepcopy(_load(file, file.stat().st_mtime_ns))


@functools.cache
def _load(file: Path, changed: int) -> Pairs:
    try:
        pairs = ConfigParser.load_config_file(str(file))
    except Exception as error:  # yaml's own errors have several lines
        raise PipelineError(f"'{file}' is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(pairs, dict):
        raise PipelineError(f"'{file}' must be a mapping of keys to values, got {type(pairs).__name__}")
    return {ReferenceResolver.normalize_id(key): value for key, value in pairs.items()}


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
            if leaf in parser or leaf in _nouns_of_parts():
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


def check_preset(pairs: Pairs, parser: ConfigParser, origin: str) -> None:
    """Refuse a preset that does not name itself, or that makes another method of the one it is laid over.

    Raises:
        PipelineError: the first key of this kind.
    """
    if not isinstance(pairs.get("preset"), str) or not pairs["preset"]:
        raise PipelineError(f"{origin} must say `preset: NAME`, the name that stands on the rows of its results")
    if pairs["preset"] == parser["preset"]:
        raise PipelineError(f"{origin} calls itself '{parser['preset']}', the name of a run without presets")
    for key, value in pairs.items():
        if is_of_the_method(key) or _changes_class(key, value, parser):
            raise PipelineError(
                f"the preset {origin} sets '{key}': name, network, loss, constraint, inferer and the class of a "
                "component belong to the method; write a method file of your own"
            )


def is_of_the_method(key: str) -> bool:
    """Whether a key belongs to what a method is: its name, network, loss, constraint, inferer, or lies in them."""
    return any(key == noun or key.startswith(f"{noun}::") for noun in OF_THE_METHOD)


def _changes_class(key: str, value: Any, parser: ConfigParser) -> bool:
    """Whether a value puts another class in the place of a component's; `$None` takes it away, which is none."""
    if key.endswith("::_target_"):
        return key not in parser or parser[key] != value
    component: Any = parser.get(key, None)
    if not isinstance(component, dict) or (value == "$None" and "_target_" in component):
        return False
    if "_target_" not in component:  # a mapping is replaced as a whole, with the components in it
        return any(components(component))
    return not isinstance(value, dict) or value.get("_target_") != component["_target_"]


def check_references(pairs: Any, parser: ConfigParser, origin: str) -> None:
    """Refuse a file that refers (`@noun`) to nouns which the method does not have.

    Raises:
        PipelineError: the first of them.
    """
    for key in references([pairs]):
        if key not in parser:
            raise PipelineError(f"{origin} needs '{key}', which the method '{parser['method']}' does not have")


def references(values: Any) -> list[str]:
    """Ids that strings anywhere in `values` refer to, `loss` of `@loss`."""
    return list(dict.fromkeys(key for text in strings(values) for key in ReferenceResolver.match_refs_pattern(text)))


def nouns(values: Any) -> list[str]:
    """The top-level keys that strings anywhere in `values` refer to."""
    return [key.partition(ReferenceResolver.sep)[0] for key in references(values)]


def strings(value: Any) -> Iterator[str]:
    """All strings inside nested mappings and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)


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
def _nouns_of_parts() -> frozenset[str]:
    """Keys that installed parts add: a preset may set them for those methods of a table that have them."""
    return frozenset(key for part in available("part") for key in load(part_file(part)))
