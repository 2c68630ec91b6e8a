"""What a document tells the reader to type is there: verbs, options, methods, presets, files, links."""

from __future__ import annotations

import re
import shlex
from configparser import ConfigParser
from functools import cache

import pytest
import typer
import yaml
from documents import ROOT, block_commands, documents, inline_commands

from lesionless.cli import app
from pipeline.catalogue import available, available_methods, method_file
from preprocessing.cli import app as preprocessing_app

DOCUMENTS = {str(path.relative_to(ROOT)): path for path in documents()}
OWN_FILES = ("mine.yaml", "path/to/method.yaml")
STAGES = ("train", "calibrate", "evaluate")


def _named(parts: str, available: set[str], kind: str) -> None:
    unknown = {name for name in parts.split(",") if name} - available - set(OWN_FILES)
    assert not unknown, f"there is no {kind} {unknown}"


def _typer(application: typer.Typer, words: list[str], mention: bool) -> None:
    """Parse a verb with its options, as the program does, and look at the names that options give."""
    verbs = getattr(typer.main.get_command(application), "commands")  # noqa: B009
    if not words or words[0] in ("VERB", "--help"):
        return
    assert words[0] in verbs, f"unknown verb {words[0]}; available: {', '.join(verbs)}"
    try:
        given = verbs[words[0]].make_context(words[0], words[1:]).params
    except Exception as error:
        # Typer brings its own copy of click's errors, so they are told by name. A mention may leave arguments out.
        assert mention and type(error).__name__ == "MissingParameter", str(error)
        return
    _named(str(given.get("methods") or ""), set(available_methods()), "method")
    _named(str(given.get("presets") or ""), set(available("preset")), "preset")
    if words[0] == "ablation" and words[1] != "NAME":
        _named(words[1], {path.stem for path in (ROOT / "bundles/base/ablations").glob("*.yaml")}, "ablation")


@cache
def _keys() -> set[str]:
    """The keys of all configurations, before the first `::`."""
    lines = [line for path in (ROOT / "bundles").rglob("*.yaml") for line in path.read_text("utf-8").splitlines()]
    return {found[1] for line in lines if (found := re.match(r"(\w+)(::\w+)*:", line))}


def _bundle(words: list[str]) -> None:
    """`run [ID] --option value …` of MONAI: with a workflow, in the plain form, and inside an exported bundle."""
    options = dict(zip(words[1:], words[2:], strict=False))
    if exported := re.findall(r"(?:^|BUNDLE/|')configs/([\w.]+)", options.get("--config_file", "")):
        source = (ROOT / "pipeline/export/bundle.py").read_text("utf-8")
        assert all(f'"{name}"' in source for name in exported)
        return
    if "--config_file" in options:
        files = re.findall(r"'([^']+)'", options["--config_file"])
        parts = yaml.safe_load(method_file(files[-1].split("/")[1]).read_text("utf-8")).get("parts", [])
        assert files[:-1] == ["bundles/base/base.yaml", *(f"bundles/base/parts/{part}.yaml" for part in parts)]
        return
    _named(options["--method"], set(available_methods()), "method")
    assert options["--stage"] in STAGES
    _named(options.get("--presets", ""), set(available("preset")), "preset")
    own = {"--workflow_name", "--method", "--stage", "--presets", "--dataset_dir", "--runs_dir"}
    unknown = {word[2:].partition("::")[0] for word in words if word.startswith("--") and word not in own} - _keys()
    assert not unknown, f"no configuration has the key {unknown}"


def _script(path: str, options: list[str]) -> None:
    source = (ROOT / path).read_text("utf-8")
    missing = [word for word in options if word.startswith("--") and word not in source]
    assert not missing, f"{path} has no {missing}"


def _extras(words: list[str]) -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    for extras in re.findall(r"\[(.+?)\]", " ".join(words)):
        unknown = set(extras.split(",")) - set(setup["options.extras_require"])
        assert not unknown, f"there is no extra {unknown}"


def _check(command: str, mention: bool = False) -> None:
    program, *words = shlex.split(command.partition(" > ")[0])
    if program == "torchrun":
        program, words = "python", words[words.index("-m") :]
    if words[:2] in (["-m", "lesionless"], ["-m", "pip"]):
        program, words = words[1], words[2:]
    if program == "lesionless":
        _typer(app, words, mention)
    elif words[:2] == ["-m", "preprocessing"]:
        _typer(preprocessing_app, words[2:], mention)
    elif words[:2] == ["-m", "monai.bundle"]:
        assert mention or len(words) > 3
        _bundle(words[2:]) if len(words) > 3 else None
    elif program == "python" and words[0].endswith(".py"):
        _script(words[0], words[1:])
    elif program == "make":
        assert all(re.search(rf"^{word}:", (ROOT / "Makefile").read_text(), re.MULTILINE) for word in words)
    elif program == "pip":
        _extras(words)
    else:
        assert [program, *words[:2]] in (["python3", "-m", "venv"], [".", ".venv/bin/activate"]) or program == "dask"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_of_a_document_can_be_typed(name: str) -> None:
    for commands, mention in ((block_commands, False), (inline_commands, True)):
        for command in commands(DOCUMENTS[name]):
            try:
                _check(command, mention)
            except AssertionError as error:
                raise AssertionError(f"{name}: {command}: {error}") from error


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_and_picture_of_a_document_is_there(name: str) -> None:
    text = DOCUMENTS[name].read_text("utf-8")
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert "://" in target or (DOCUMENTS[name].parent / target).exists(), f"{name} links to {target}"


def test_a_wrong_command_is_seen() -> None:
    for wrong in (
        "lesionless rnu DATASET --out RUNS",
        "lesionless run DATASET --out RUNS --method vae",
        "lesionless run DATASET --out RUNS --methods vea",
        "python -m preprocessing run --dataset table --root scans.csv --out DATASET --images-size 32",
        "python -m monai.bundle run --method vae --stage trian --dataset_dir DATASET",
        "python -m monai.bundle run --method vae --stage train --max_epoch 5",
        "python benchmarks/metrics.py --no-such-option",
        "pip install '.[none]'",
        "make dmeo",
    ):
        with pytest.raises(AssertionError):
            _check(wrong)


@pytest.mark.parametrize("name", ["README.md", "docs/RESULTS.md"])
def test_a_page_that_everybody_reads_is_short(name: str) -> None:
    assert len(DOCUMENTS[name].read_text("utf-8").splitlines()) <= 150
