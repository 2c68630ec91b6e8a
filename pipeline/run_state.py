"""What a run is made of, and which of its stages are done: `stages.json` in its folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from pipeline.documents import check_kinds, read_document
from pipeline.errors import PipelineError
from pipeline.files import write_json
from pipeline.references import references

MARKS, RECIPE = "stages.json", "recipe.json"
NOT_DECISIVE = ("dataset_dir", "runs_dir", "recipe", "_meta_")
LOG = "train::log::"  # where a training is told of
EPOCHS, OF_THE_TRAINER = "max_epochs", "train::trainer::max_epochs"
SHOWN, LONGEST = 3, 60
WAY_OUT = "delete it, or choose another --out"

Values = dict[str, Any]


def made_of(parser: ConfigParser, dataset_hash: str) -> Values:
    """What decides the numbers of a run, by key: the configuration without paths, the data set, files of `inputs`."""
    config: Any = parser.config
    inputs = parser.get_parsed_content("inputs")
    decisive = {key: value for key, value in config.items() if key not in (*NOT_DECISIVE, *inputs)}
    if not config["run_train"] or EPOCHS not in config["train"]["trainer"]:  # nothing is trained by epochs
        decisive.pop(EPOCHS, None)
    contents = {f"content of {key}": _content(value) for key, value in inputs.items()}
    flat: Values = json.loads(json.dumps({**_flat(decisive), **contents, "data set": dataset_hash}, default=str))
    return _without_log(flat)


def _without_log(values: Values) -> Values:
    return {key: value for key, value in values.items() if not key.startswith(LOG)}


def _flat(config: Any, place: str = "") -> Values:
    if not isinstance(config, dict) or not config:
        return {place: config}
    found: Values = {}
    for key, value in config.items():
        found |= _flat(value, f"{place}::{key}".removeprefix("::"))
    return found


def _content(value: str) -> str:
    """Digest of the file at that path; the value itself where it is no file, such as the name of a package."""
    return hashlib.sha256(Path(value).read_bytes()).hexdigest() if Path(value).is_file() else value


def stages_done(output: Path, now: Values) -> list[str]:
    """Stages of the run in `output` that are complete and still hold; none where nothing was begun.

    With more epochs than before a run trains on from its checkpoint, so nothing is complete.

    Args:
        now: what the run is made of, see `made_of`.

    Raises:
        PipelineError: the folder holds another run; the message names keys, old and new values.
    """
    begun = output.is_dir() and any(path.name not in (MARKS, RECIPE) for path in output.iterdir())
    if not begun or not (output / MARKS).is_file():
        return []
    marks = read_document(output / MARKS)
    check_kinds(marks, {"made_of?": {}, "stages?": [str]}, str(output / MARKS))
    if "made_of" not in marks:
        raise PipelineError(
            f"'{output}' holds a run of an earlier version, which did not write down what it was made of; "
            f"`lesionless report` still reads its results; to run it again, {WAY_OUT}"
        )
    before = _without_log(marks["made_of"])
    changed = [key for key in {**now, **before} if before.get(key) != now.get(key)]
    if changed == [EPOCHS]:
        return _train_on(output, before, now)
    if changed:
        raise PipelineError(f"'{output}' holds another run: {_differences(changed, before, now)}; {WAY_OUT}")
    stages: list[str] = marks.get("stages", [])
    return stages


def _train_on(output: Path, before: Values, now: Values) -> list[str]:
    change = _differences([EPOCHS], before, now)
    if now[EPOCHS] < before[EPOCHS]:
        raise PipelineError(
            f"'{output}': {change}, and epochs cannot be taken back; delete it, or choose another --out"
        )
    followers = [key for key, value in now.items() if key != OF_THE_TRAINER and EPOCHS in references([value])]
    if followers:
        raise PipelineError(
            f"'{output}': {change}, and {', '.join(followers)} follows from it, so the first epochs would have been "
            f"others: {WAY_OUT}"
        )
    return []


def _differences(changed: list[str], before: Values, now: Values) -> str:
    first = sorted(changed, key=lambda key: (key.count("::"), key))
    told = [f"{key} was {_short(before, key)}, is {_short(now, key)}" for key in first[:SHOWN]]
    return ", ".join(told) + (f" (and {len(first) - SHOWN} more)" if len(first) > SHOWN else "")


def _short(values: Values, key: str) -> str:
    text = json.dumps(values[key], ensure_ascii=False) if key in values else "not there"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def write_stages(output: Path, now: Values, stages: list[str]) -> None:
    """Write down what the run is made of, and its complete stages."""
    write_json(output / MARKS, {"made_of": now, "stages": stages})
