"""`python -m monai.bundle run --workflow_name pipeline.workflow.MethodWorkflow --method amcons --stage train …`"""

from __future__ import annotations

import difflib
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from pydoc import locate
from typing import Any

from monai.bundle import ConfigParser, ConfigWorkflow, ReferenceResolver

from pipeline.catalogue import BASE, method_file, mixin_file
from pipeline.errors import PipelineError, check_choice, report_in_one_line


def check_keys(keys: Iterable[str], parser: ConfigParser, origin: str) -> None:
    """Refuse overrides that would add a key nobody reads; MONAI takes them in silence.

    A key is known when it exists, or when it names an argument of the component that it lies in.

    Raises:
        PipelineError: the first unknown key, with those that look like it.
    """
    config: Any = parser.config
    for key in keys:
        parent, _, leaf = re.sub("::", "#", key).rpartition("#")
        if key in parser or (parent and parent in parser and leaf in _arguments(parser[parent])):
            continue
        known = list(parser[parent]) if parent and parent in parser else list(config)
        close = difflib.get_close_matches(leaf, known, n=3) or sorted(k for k in known if not k.startswith("_"))
        raise PipelineError(f"unknown key '{key}' in {origin}; did you mean: {', '.join(close)}?")


def check_parents(keys: Iterable[str], parser: ConfigParser, origin: str) -> None:
    """Refuse `parent::leaf` where the method has no `parent`, as a mixin of another kind does.

    Raises:
        PipelineError: the first of them.
    """
    for parent in (re.sub("::", "#", key).rpartition("#")[0] for key in keys):
        if parent and parent not in parser:
            raise PipelineError(f"{origin} needs '{parent}', which the method '{parser['method']}' does not have")


def check_references(pairs: Any, parser: ConfigParser, origin: str) -> None:
    """Refuse a file that refers (`@noun`) to nouns which the method does not have, as a mixin of another kind does.

    Raises:
        PipelineError: the first of them.
    """
    for text in _strings(pairs):
        for key in ReferenceResolver.match_refs_pattern(text):
            if key not in parser:
                raise PipelineError(f"{origin} needs '{key}', which the method '{parser['method']}' does not have")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def _arguments(component: Any) -> list[str]:
    target = locate(component["_target_"]) if isinstance(component, dict) and "_target_" in component else None
    return list(inspect.signature(target).parameters) if callable(target) else []


def configuration_files(method: str, mixins: str | list[str]) -> list[Path]:
    """What is laid over the base, in order: the mixins that the method lists, the method, the mixins asked for."""
    names = [name for name in mixins.split(",") if name] if isinstance(mixins, str) else mixins
    own = method_file(method)
    needed = ConfigParser.load_config_file(str(own)).get("mixins", [])
    return [*map(mixin_file, needed), own, *map(mixin_file, names)]


class MethodWorkflow(ConfigWorkflow):
    """Base configuration + method + mixins + overrides of the command line; a misspelt key is refused.

    Args:
        method: an installed method's name, or the path of a `method.yaml` of one's own.
        stage: `train`, `calibrate` or `evaluate` (any `run_<stage>` of the configuration).
        mixins: names of files in `bundles/base/configs`, or paths, applied in order after the method. Those that a
            method lists under its key `mixins` are applied before it.
        override: `key=value`, e.g. `max_epochs=3` or `optimizer#lr=1e-3`; `dataset_dir`, the folder with
            `dataset.json`, is required.

    Raises:
        PipelineError: unknown method, stage, mixin or key; no dataset folder.
    """

    def __init__(
        self,
        method: str = "",
        stage: str = "train",
        mixins: str | list[str] = "",
        **override: Any,
    ) -> None:
        report_in_one_line(sys.modules["__main__"])
        files = configuration_files(method, mixins)
        metadata = method_file(method).with_name("metadata.json")
        super().__init__(
            config_file=str(BASE / "base.yaml"),
            meta_file=str(metadata if metadata.is_file() else BASE / "metadata.json"),
            logging_file=str(BASE / "logging.conf"),
            run_id=f"run_{stage}",
            workflow_type="train",
        )
        self._check_stage(stage)
        self._lay_over(files)
        check_keys(override, self.parser, "the command line")
        self.parser.update(override)
        if not self.parser.get("dataset_dir") or self.parser["dataset_dir"] == "$None":
            raise PipelineError("dataset_dir is missing: --dataset_dir FOLDER, the output of `preprocessing run`")

    def _lay_over(self, files: list[Path]) -> None:
        """Update the base with the files in order; `preset` names all of those that change the protocol."""
        layers = {file: ConfigParser.load_config_file(str(file)) for file in files}
        for file, pairs in layers.items():
            pairs.pop("mixins", None)
            check_parents(pairs, self.parser, str(file))
            if file.parent != BASE:  # an installed mixin may add nouns
                check_keys(pairs, self.parser, str(file))
            self.parser.update(pairs)
        for file, pairs in layers.items():
            check_references(pairs, self.parser, str(file))
        presets = [pairs["preset"] for pairs in layers.values() if "preset" in pairs]
        if presets:
            self.parser["preset"] = " + ".join(presets)

    def _check_stage(self, stage: str) -> None:
        config: Any = self.parser.config
        stages = [key.removeprefix("run_") for key in config if key.startswith("run_")]
        check_choice("stage", stage, stages)

    def run(self) -> Any:
        """Run the stage.

        Raises:
            PipelineError: the user's mistake itself, which MONAI would wrap in a RuntimeError.
        """
        try:
            return super().run()
        except RuntimeError as error:
            cause: BaseException | None = error
            while cause is not None and not isinstance(cause, PipelineError):
                cause = cause.__cause__
            if cause is None:
                raise
            raise cause from None
