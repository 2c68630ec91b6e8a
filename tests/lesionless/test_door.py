"""The command opens at once: what only says what there is loads nothing that computes."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "monai", "ignite", "pandas", "matplotlib", "nibabel", "scipy", "ants", "SimpleITK")


def loaded_by(code: str, *arguments: str) -> tuple[set[str], str]:
    """The heavy libraries that a fresh interpreter has loaded when `code` ends, and what it printed."""
    listing = f"import atexit, sys\natexit.register(lambda: print('loaded:', *({set(HEAVY)!r} & sys.modules.keys())))\n"
    done = subprocess.run([sys.executable, "-c", listing + code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    printed, _, names = done.stdout.rpartition("loaded:")
    return set(names.split()), printed


RUN = "import runpy; runpy.run_module('lesionless', run_name='__main__')"


@pytest.mark.parametrize(
    "arguments", [["--help"], ["methods"], ["methods", "--markdown"], ["run", "--help"], ["metrics", "--help"]]
)
def test_saying_what_there_is_loads_nothing_heavy(arguments: list[str]) -> None:
    names, printed = loaded_by(RUN, *arguments)
    assert printed.strip() and names == set()


def test_the_law_sees_what_a_verb_loads() -> None:
    names, _ = loaded_by("import lesionless.measure")
    assert {"torch", "pandas", "nibabel"} <= names


def test_every_verb_has_a_module_of_its_name() -> None:
    names, printed = loaded_by(
        "from lesionless.cli import app\n"
        "for verb in app.registered_commands: print(verb.callback.__module__, verb.callback.__name__)"
    )
    assert names == set()
    for line in printed.splitlines():
        module, name = line.split()
        assert module == f"lesionless.{name}"
