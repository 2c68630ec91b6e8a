"""Killed at any moment, a rerun gives the bytes of an unbroken run and does no scan twice."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic_brain import HeadWriter, rigid
from typer.testing import CliRunner

from preprocessing.cli import app
from preprocessing.cohort.scan_request import FOLDER
from preprocessing.datasets.table import write_table
from preprocessing.space.atlas import Atlas

SCANS, KILLS = 10, 4


def start(*arguments: object) -> subprocess.Popen[bytes]:
    """The command, in a process group of its own."""
    paths = [str(Path(__file__).parents[1]), *sys.path]
    return subprocess.Popen(
        [sys.executable, "-m", "preprocessing", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def complete(*arguments: object) -> None:
    """The command, in this process, to its end."""
    result = CliRunner().invoke(app, [*map(str, arguments), "--workers", "0"])
    assert result.exit_code == 0, result.output


def done(out: Path) -> dict[str, int]:
    """Scans that are done, each with the inode of its status file: another one if it ran again."""
    paths = (out / FOLDER).glob("sub-*.json")
    return {path.stem: path.stat().st_ino for path in paths if json.loads(path.read_text())["state"] == "done"}


def wait_until_done(process: subprocess.Popen[bytes], out: Path, count: int, seconds: float) -> None:
    """Until `count` scans are done or the process ends, and some time more."""
    while len(done(out)) < count and process.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def contents(folder: Path) -> dict[Path, bytes]:
    """Every file but the ledger, whose times differ."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.parent.name != FOLDER]
    return {path.relative_to(folder): path.read_bytes() for path in files}


@pytest.mark.slow
@pytest.mark.dist
def test_killed_at_random_a_rerun_is_the_recovery(
    head: HeadWriter, quick_config: Path, coarse_atlas: Atlas, tmp_path: Path
) -> None:
    scans = [head(f"sub-{k}", move=rigid((0, 0, 0), (k, 0, -k)), lesion=k % 3 == 0) for k in range(SCANS)]
    write_table(scans, head.root / "scans.csv", head.root)
    source = ["run", "--dataset", "table", "--root", head.root, "--config", quick_config]
    source += ["--atlas", coarse_atlas.folder, "--image-size", 20, "--slices", 4, "--slice-step", 2]
    complete(*source, "--out", tmp_path / "whole")

    out, seen, rng = tmp_path / "broken", dict[str, int](), random.Random(0)
    command = [*source, "--out", out]
    for kill in range(KILLS):
        process = start(*command)
        wait_until_done(process, out, 1 + kill * SCANS // KILLS, rng.uniform(0, 0.4))
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        now = done(out)
        assert seen.items() <= now.items()
        seen, command = now, ["rerun", "--out", out]
    complete(*command)
    assert seen.items() <= done(out).items() and len(seen) >= SCANS // 2
    assert not list(out.rglob(".tmp-*"))
    assert contents(out) == contents(tmp_path / "whole")
