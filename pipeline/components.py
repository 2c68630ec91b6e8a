"""Components of a configuration, looked at before any of them is made: their class, arguments and values."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from pydoc import ErrorDuringImport, locate
from typing import Any

import torch

from pipeline.errors import PipelineError

RESERVED = ("_target_", "_disabled_", "_requires_", "_desc_", "_mode_", "_args_")  # MONAI's own keys of a component
MINIMA = {"max_epochs": 1, "batch_size": 1, "latent_size": 1, "seed": 0}
KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a mapping",
}


def check_components(config: Any) -> None:
    """Refuse what MONAI would only find when the component is made, hours later for some.

    Raises:
        PipelineError: a class that cannot be imported, or an argument that it does not have, with those that it has.
    """
    for place, component in components(config):
        target = find(component["_target_"], place)
        if not callable(target):
            raise PipelineError(f"{place}: '{component['_target_']}' is neither a class nor a function")
        accepted = signature(target)
        unknown = [key for key in component if key not in RESERVED and accepted is not None and key not in accepted]
        if unknown:
            choices = ", ".join(accepted or ()) or "none"
            raise PipelineError(f"{place}: {component['_target_']} has no argument '{unknown[0]}'; it has: {choices}")


def components(config: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """All mappings with a `_target_`, and where they lie."""
    if isinstance(config, dict):
        if isinstance(config.get("_target_"), str):
            yield place, config
        for key, value in config.items():
            if key != "_meta_":
                yield from components(value, f"{place}::{key}".removeprefix("::"))
    elif isinstance(config, list):
        for index, value in enumerate(config):
            yield from components(value, f"{place}::{index}")


def find(target: str, place: str) -> Any:
    """The class or function of a `_target_`.

    Raises:
        PipelineError: it cannot be imported; with the cause.
    """
    try:
        found = locate(target)
    except ErrorDuringImport as error:
        raise PipelineError(f"{place}: '{target}' cannot be imported: {' '.join(str(error.value).split())}") from error
    if found is None:
        raise PipelineError(
            f"{place}: '{target}' cannot be imported; is it spelt as `package.module.Name`, and on the path?"
        )
    return found


def signature(target: Any) -> list[str] | None:
    """Names of the arguments of a class or function; None where it takes any, or does not say."""
    try:
        parameters = inspect.signature(target).parameters
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return None if not inspect.isclass(target) else _of_bases(target, list(parameters))
    return list(parameters)


def _of_bases(target: type, own: list[str]) -> list[str] | None:
    """Arguments that a class takes itself or hands on as `**kwargs` to its base; None where the last one takes any."""
    for base in target.__mro__[1:]:
        if base is object or "__init__" not in vars(base):
            continue
        parameters = inspect.signature(vars(base)["__init__"]).parameters
        own = [*own, *(name for name in parameters if name not in ("self", *own))]
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            return [name for name in own if name not in ("args", "kwargs")]
    return None


def check_value(key: str, value: Any, before: Any, origin: str) -> None:
    """Refuse a value of another kind than the one that it replaces; references and expressions are not looked into.

    Raises:
        PipelineError: the kind that is wanted, and the value; a number below the smallest that has a meaning.
    """
    if _is_component(before) and not (value is None or _is_open(value)):
        raise PipelineError(
            f"{key} in {origin} must be a component (a mapping with `_target_`) or refer to one (`@noun`), "
            f"got {value!r}"
        )
    wanted = next((kind for kind in KINDS if type(before) is kind), None)
    if wanted is None or _is_open(before) or _is_open(value):
        return
    kinds: tuple[type, ...] = {float: (float, int), list: (list, tuple)}.get(wanted, (wanted,))
    if not isinstance(value, kinds) or isinstance(value, bool) != (wanted is bool):
        hint = "; YAML reads 1e-3 as a text, write 1.0e-3" if wanted is float and _is_number(value) else ""
        raise PipelineError(f"{key} in {origin} must be {KINDS[wanted]}, got {value!r}{hint}")
    smallest: Any = MINIMA.get(key)
    if smallest is not None and value < smallest:
        raise PipelineError(f"{key} in {origin} must be at least {smallest}, got {value}")


def _is_component(value: Any) -> bool:
    return isinstance(value, Mapping) and "_target_" in value


def _is_open(value: Any) -> bool:
    return _is_component(value) or (isinstance(value, str) and value[:1] in ("$", "@", "%"))


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


WITHOUT = "rename it, or give a link to it without #"
HASH = f"MONAI reads # as ::, so {WITHOUT}"
SIGN = "MONAI reads $, @ or % at its start as syntax, so write the full path"


def check_text(values: Mapping[str, Any], origin: str) -> None:
    """Refuse text that the configuration language would turn into something else, without a word.

    MONAI reads `#` in any string as `::`, and a string that begins with `$`, `@` or `%` as code, a reference or a file.

    Args:
        values: by key; a key that ends in `_dir` holds a path, which is never code.
        origin: of the values, for the message.

    Raises:
        PipelineError: the first of them, with the way out.
    """
    for key, value in values.items():
        if not isinstance(value, str) or value == "$None":
            continue
        if "#" in value and not _is_open(value):
            raise PipelineError(f"{key} '{value}' in {origin}: {HASH}")
        if key.endswith("_dir") and _is_open(value):
            raise PipelineError(f"{key} '{value}' in {origin}: {SIGN}")


def check_words(words: Sequence[str]) -> None:
    """Refuse words of `python -m monai.bundle` whose end Fire cuts off: to it, what follows a `#` is a comment.

    Args:
        words: of the command line; a key may have a `#`, as `--optimizer#lr 1e-3` does.

    Raises:
        PipelineError: the first of them, with the way out.
    """
    for word in words:
        value = word.partition("=")[2] if word.startswith("--") else word
        if "#" in value and not _is_open(value):
            raise PipelineError(f"'{value}' in the command line: what follows # is a comment there; {WITHOUT}")


def check_device(name: Any) -> None:
    """Refuse a device that this machine does not have.

    Raises:
        PipelineError: with the devices that there are.
    """
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if _is_open(name):
        return
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise PipelineError(f"unknown device '{name}'; available: {', '.join(['cpu', *gpus])}") from error
    if device.type == "cuda" and f"cuda:{device.index or 0}" not in gpus:
        raise PipelineError(f"there is no device '{name}' here; available: {', '.join(['cpu', *gpus])}")
