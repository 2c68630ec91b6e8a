"""The README from top to bottom: every command in its code blocks is run as it stands, plus options that make it small.

The heads are the synthetic brain at 4 mm, so that a scan is prepared in tenths of a second. `make` is asked what it
would run, and that is run.
"""

from __future__ import annotations

import csv
import os
import runpy
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from documents import ROOT, block_commands, blocks
from synthetic_brain import HeadWriter, rigid

from lesionless import cli
from preprocessing import cli as preprocessing_cli
from preprocessing.space.atlas import Atlas

README = ROOT / "README.md"
SMALL = "--atlas atlas --config small.yaml --image-size 32 --slices 3 --workers 0"
# What is added to a command, by its beginning. A command that begins otherwise fails the test.
ADDED = {
    "lesionless demo": "--methods intensity,histeq --predict-with histeq",
    "lesionless methods": "",
    "lesionless metrics": "--replicates 20",
    "lesionless predict": "--atlas atlas --workers 0 --no-pages",
    "lesionless run": "--epochs 1",
    "python -m preprocessing plan": SMALL,
    "python -m preprocessing report": "",
    "python -m preprocessing run": SMALL,
    "python -m monai.bundle run": "--max_epochs 1 --runs_dir STAGES",
}
WRITTEN = {
    "lesionless demo": "runs/small/report.html",
    "lesionless metrics": "FIGURES/metrics.csv",
    "lesionless predict": "OUT/index.html",
    "lesionless run": "RUNS/report.html",
    "python -m preprocessing report": "DATASET/qc.html",
    "python -m preprocessing run": "DATASET/dataset.json",
    "python -m monai.bundle run": "STAGES",
}


def _installation() -> list[str]:
    """The block that installs, run as a whole by the test below."""
    return next(text for text in blocks(README) if "pip install ." in text).splitlines()


def _call(command: str) -> None:
    """Run a command in this process, as its program does; what it exits with is 0."""
    words = shlex.split(command)
    program = " ".join(words[: 3 if words[0] == "python" else 1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", words if program == "lesionless" else words[2:])
        try:
            if program == "python -m monai.bundle":
                runpy.run_module("monai.bundle", run_name="__main__")
            else:
                {"lesionless": cli.main, "python -m preprocessing": preprocessing_cli.main}[program]()
        except SystemExit as end:
            assert not end.code, f"{command} exits with {end.code}"


def _scans(folder: Path) -> None:
    """The README's own scans.csv with its files, and more rows like them: 4 healthy, 2 labelled, 1 not."""
    (text,) = blocks(README, "csv")
    first = list(csv.DictReader(text.splitlines()))
    for name in ("raw", "labels"):
        (folder / name).mkdir()
    rows = []
    for number in range(4):
        for row in first[: (3, 2, 1, 1)[number]]:
            name = f"{row['id']}x{number}" if number else row["id"]
            one = {key: value.replace(row["id"], name) for key, value in row.items()}
            lesion = row["healthy"] != "true"
            options = {"lesion": lesion, "brighten": 1 + 0.01 * len(rows), "move": rigid((0, 0, 0), (0.5, 0, 0))}
            scan = HeadWriter(folder / "written")(f"sub-{name}", **options)
            shutil.copy(scan.image, folder / one["image"])
            if one["lesion"]:
                shutil.copy(str(scan.lesion), folder / one["lesion"])
            rows.append(one)
    with (folder / "scans.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, first[0])
        writer.writeheader()
        writer.writerows(rows)


def _maps(folder: Path) -> None:
    """Folders of the README's names, with maps that a method wrote."""
    for name, pattern in (("MAPS", "*_anomaly.nii.gz"), ("LABELS", "*_lesion.nii.gz"), ("MASKS", "*_support.nii.gz")):
        (folder / name).mkdir()
        for path in (folder / "RUNS").rglob(pattern):
            shutil.copy(path, folder / name / path.name)


def _demo(command: str, prepared: Path) -> None:
    """The demonstration with a prepared dataset in place of its cohort, whose making the tests of `phantom` cover."""
    asked: list[dict[str, Any]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("preprocessing.phantom.write_cohort", lambda out, **given: asked.append(given) or out)
        patch.setattr("preprocessing.datasets.find_scans", lambda name, root: [name])
        patch.setattr(
            "preprocessing.cohort.run.prepare", lambda scans, out, *_, **__: shutil.copytree(prepared, out) and scans
        )
        patch.setattr("lesionless.demo.predict_unseen", lambda raw, out, *_: asked.append({"predicted": raw}))
        _call(command)
    assert asked.pop() == {"predicted": Path("runs/small/unseen")}
    assert [(given["healthy"], given["lesion"]) for given in asked] == [(10, 5), (0, 1)]


@pytest.mark.slow
def test_every_command_in_its_order(
    tmp_path: Path, tiny_dataset: Path, coarse_atlas: Atlas, quick_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(coarse_atlas.folder, "atlas")
    shutil.copy(quick_config, "small.yaml")
    _scans(tmp_path)
    for command in block_commands(README):
        if command in _installation() or command.startswith("make "):
            continue
        begin = next((begin for begin in ADDED if command.startswith(begin)), None)
        assert begin, f"the README says `{command}`, and no test runs it: say in ADDED what makes it small"
        if begin == "lesionless metrics":
            _maps(tmp_path)
        full = f"{command} {ADDED[begin]}"
        _demo(full, tiny_dataset) if begin == "lesionless demo" else _call(full)
        assert list(tmp_path.rglob(WRITTEN.get(begin, "*"))), f"`{command}` did not write {WRITTEN[begin]}"


@pytest.mark.parametrize("target, begin", [("demo", "lesionless demo --out"), ("test", "python -m pytest")])
def test_make_runs_what_the_readme_says(target: str, begin: str) -> None:
    assert f"make {target}" in block_commands(README)
    told = subprocess.run(["make", "-n", "-C", str(ROOT), target], capture_output=True, text=True, check=True).stdout
    last = [line for line in told.splitlines() if ".venv/bin" in line][-1]
    assert begin in last.replace(".venv/bin/", "")


def test_the_installation(tmp_path: Path) -> None:
    """The block of the README in a copy of the tree, offline: what it depends on is that of this environment."""
    for name in ("lesionless", "pipeline", "preprocessing", "bundles"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_QUIET": "1"}
    here = {"PYTHONPATH": sysconfig.get_path("purelib"), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    script = "\n".join(["set -e", *_installation(), "cd /", "command -v lesionless", "lesionless methods"])
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env={**os.environ, **offline, **here}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    place, *methods = done.stdout.split()
    assert place == str(tmp_path / ".venv/bin/lesionless") and {"amcons", "spa", "intensity"} <= set(methods)
