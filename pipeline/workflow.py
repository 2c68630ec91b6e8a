"""`python -m monai.bundle run --workflow_name pipeline.workflow.MethodWorkflow --method amcons --stage train …`"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any

from monai.bundle import ConfigWorkflow, ReferenceResolver

from pipeline import threads
from pipeline.catalogue import BASE, method_file
from pipeline.components import check_components, check_device, check_text, check_words
from pipeline.configuration import lay_over, update
from pipeline.errors import PipelineError, check_choice, is_monai, report_in_one_line, unwrapped
from pipeline.recipe import overrides_text

OF_THE_ROW = ("dataset_dir", "runs_dir", "seed")  # a column of its own, or the place that a command is run in


class MethodWorkflow(ConfigWorkflow):
    """Base configuration + parts + method + presets + overrides of the command line; a misspelt key is refused.

    Args:
        method: an installed method's name, or the path of a `method.yaml` of one's own.
        stage: `train`, `calibrate` or `evaluate` (any `run_<stage>` of the configuration).
        presets: names of files in `bundles/base/presets`, or paths, separated by commas and applied in order after the
            method. mixins: their old name.
        override: `key=value`, e.g. `max_epochs=3` or `optimizer#lr=1e-3`; `dataset_dir`, the folder with
            `dataset.json`, is required.

    Raises:
        PipelineError: unknown method, stage, preset or key; no dataset folder; see also `lay_over`.
    """

    def __init__(
        self,
        method: str = "",
        stage: str = "train",
        presets: str | Sequence[str] = "",
        mixins: str | Sequence[str] = "",
        **override: Any,
    ) -> None:
        report_in_one_line(sys.modules["__main__"])
        check_words(sys.argv[1:] if is_monai(sys.modules["__main__"]) else ())
        logger = logging.getLogger("pipeline")
        logger.setLevel(logger.level or logging.INFO)
        metadata = method_file(method).with_name("metadata.json")
        super().__init__(
            config_file=str(BASE / "base.yaml"),
            meta_file=str(metadata if metadata.is_file() else BASE / "metadata.json"),
            logging_file=str(BASE / "logging.conf"),
            run_id=f"run_{stage}",
            workflow_type="train",
        )
        chosen = [*names(mixins), *names(presets)]
        lay_over(self.parser, method, chosen)
        self._check_stage(stage)
        override = {ReferenceResolver.normalize_id(key): value for key, value in override.items()}
        paths = {"method": method, "presets": ",".join(chosen)}
        check_text({**paths, **override}, "the command line")
        update(self.parser, override, "the command line")
        self._note_recipe(method, chosen, override)
        check_components(self.parser.config)
        check_device(self.parser["device"])
        if not self.parser.get("dataset_dir") or self.parser["dataset_dir"] == "$None":
            raise PipelineError("dataset_dir is missing: --dataset_dir FOLDER, the output of `preprocessing run`")

    def _note_recipe(self, method: str, presets: Sequence[str], override: dict[str, Any]) -> None:
        """What the result row has to say for the run to be made again."""
        asked = {key: value for key, value in override.items() if key not in OF_THE_ROW}
        own = method if method.endswith(".yaml") else ""
        self.parser["recipe"] = {"method_file": own, "presets": ",".join(presets), "overrides": overrides_text(asked)}

    def _check_stage(self, stage: str) -> None:
        config: Any = self.parser.config
        stages = [key.removeprefix("run_") for key in config if key.startswith("run_")]
        check_choice("stage", stage, stages)

    def run(self) -> Any:
        """Run the stage.

        Raises:
            PipelineError: the user's mistake itself, which MONAI would wrap in a RuntimeError.
        """
        threads.settle()
        with unwrapped():
            return super().run()


def names(listed: str | Sequence[str]) -> list[str]:
    """`a,b`, or a list of names, as a list."""
    return [name for name in (listed.split(",") if isinstance(listed, str) else listed) if name]
