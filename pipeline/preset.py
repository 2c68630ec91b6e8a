"""What a preset may not touch: that which makes a method the method that it is."""

from __future__ import annotations

from typing import Any

from monai.bundle import ConfigParser

from pipeline.bundle_file import Pairs
from pipeline.components import components
from pipeline.errors import PipelineError

# what a method is: no preset touches these, nor the class of any component
OF_THE_METHOD = (
    "method", "title", "floor", "recipe", "parts", "run_train", "run_evaluate",
    "network_def", "network", "trained_network", "loss", "constraint", "inferer", "scorer",
    "split_evaluator::network", "split_evaluator::inferer", "train::trainer::inferer",
    "train::trainer::loss_function", "train::trainer::prepare_batch",
)  # fmt: skip


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
