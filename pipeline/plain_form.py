"""MONAI's plain form, `python -m monai.bundle run run_train --config_file …`: what it takes in silence is refused."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any

from monai.bundle import ConfigParser, ConfigWorkflow

import bundles
from pipeline.bundle_file import load
from pipeline.catalogue import BASE, available_methods, method_file, part_file
from pipeline.components import check_components, check_device, check_words
from pipeline.errors import PipelineError, is_monai, report_in_one_line
from pipeline.keys import check_keys
from pipeline.preset import is_of_the_method
from pipeline.references import references

ORIGIN = "the command line or the listed files"


def check_plain_form() -> None:
    """Refuse a key that nobody reads, and a method's name on another configuration; the first entry of `initialize`.

    `MethodWorkflow` has checked more than this before, so its configurations are left alone.

    Raises:
        PipelineError: the first mistake; a class, argument or device that is not there.
    """
    workflow = _workflow()
    if type(workflow) is not ConfigWorkflow:
        return
    report_in_one_line(sys.modules["__main__"])
    check_words(sys.argv[1:] if is_monai(sys.modules["__main__"]) else ())
    config: Any = workflow.parser.config
    written = {
        key for file in bundles.ROOT.rglob("*.yaml") if "ablations" not in file.parts for key in _keys(load(file))
    }
    base = ConfigParser(load(BASE / "base.yaml"))
    check_keys([key for key in _keys(config) if key not in {*written, *references(config)}], base, ORIGIN)
    check_components(config)
    check_device(config["device"])
    _check_method(workflow.parser)


def _workflow() -> Any:
    """Who evaluates the configuration: MONAI tells none of its entries, so it is looked for among the callers."""
    frame = inspect.currentframe()
    while frame is not None:
        if isinstance(frame.f_locals.get("self"), ConfigWorkflow):
            return frame.f_locals["self"]
        frame = frame.f_back
    return None


def _keys(config: Any, place: str = "") -> Iterator[str]:
    """Keys of the configuration and of the mappings in it that are no components."""
    for key, value in config.items():
        if key == "_meta_":
            continue
        yield f"{place}{key}"
        if isinstance(value, dict) and "_target_" not in value:
            yield from _keys(value, f"{place}{key}::")


def _check_method(parser: ConfigParser) -> None:
    """Refuse the name of an installed method on a network, loss, … that its files do not say."""
    method = str(parser["method"])
    if method not in available_methods():
        return
    parts = [part_file(part) for part in load(method_file(method)).get("parts", [])]
    files = [BASE / "base.yaml", *parts, method_file(method)]
    whole = ConfigParser({})
    for file in files:
        whole.update(load(file))
    said = [key for file in files[1:] for key in load(file) if is_of_the_method(key)]
    other = next((key for key in said if parser.get(key, None) != whole[key]), None)
    if other:
        listed = ", ".join(str(file.relative_to(bundles.ROOT.parent)) for file in files)
        raise PipelineError(
            f"'{other}' is not that of the method '{method}', which is --config_file {listed}; "
            "another configuration needs another name: --method NAME"
        )
