"""A full disk, a read-only one, two runs in a folder, a killed process and a clock that jumps: `run` and `predict`."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from packed_model import MOVE, Packed
from synthetic_brain import HeadWriter
from torch import nn

from lesionless import cli
from pipeline.errors import PipelineError
from pipeline.handlers import ResumableCheckpoint
from pipeline.lock import locked as held_by_run
from pipeline.networks.weights import save_weights
from preprocessing.executors.processes import Processes
from preprocessing.io.files import locked

Mount = Callable[[str], None]
Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`lesionless` in this process: its exit status, and what it says; a foreign exception passes."""

    def call(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["lesionless", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out + shown.err

    return call


@pytest.fixture
def patient(head: HeadWriter) -> Path:
    return head("sub-p1_ses-2", move=MOVE, lesion=True).image


def contents(folder: Path) -> dict[str, bytes]:
    """What was made, without the ledger, whose times differ."""
    made = [path for path in folder.rglob("*") if path.is_file() and "ledger" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in made if path.name != ".lock"}


def of_run(dataset: Path, out: Path) -> list[Any]:
    return ["run", dataset, "--out", out, "--methods", "intensity", "--quiet"]


def of_predict(packed: Packed, scan: Path, out: Path) -> list[Any]:
    return ["predict", scan, "--model", packed.model, "--out", out, "--no-pages", "--workers", "0"]


def one_line(text: str) -> str:
    errors = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "Traceback" not in text, text
    return errors[0]


def test_run_on_a_full_disk_goes_on_when_there_is_room(
    disk: tuple[Path, Mount], tiny_dataset: Path, tmp_path: Path, command: Command
) -> None:
    folder, mount = disk
    assert command(*of_run(tiny_dataset, tmp_path / "whole"))[0] == 0
    whole = contents(tmp_path / "whole")
    mount(f"size={max(sum(map(len, whole.values())) // 3 // 4096, 8) * 4096}")
    code, text = command(*of_run(tiny_dataset, folder / "out"))
    reason = "cannot be written (No space left on device); what is done stays"
    assert code == 1 and "failed: intensity/seed-0: " in text and reason in text and "Traceback" not in text
    assert not list(folder.rglob(".tmp-*"))
    mount("remount,size=50m")
    assert command(*of_run(tiny_dataset, folder / "out"))[0] == 0
    again = contents(folder / "out")
    name = "intensity/seed-0/test.npz"
    assert again.keys() == whole.keys() and again[name] == whole[name]


def test_predict_on_a_full_disk_goes_on_when_there_is_room(
    packed: Packed, patient: Path, disk: tuple[Path, Mount], tmp_path: Path, command: Command
) -> None:
    folder, mount = disk
    assert command(*of_predict(packed, patient, tmp_path / "whole"))[0] == 0
    whole = contents(tmp_path / "whole")
    mount(f"size={sum(map(len, whole.values())) // 2 // 4096 * 4096}")
    code, text = command(*of_predict(packed, patient, folder / "out"))
    assert code and "No space left on device" in text and "Traceback" not in text
    assert not list(folder.rglob(".tmp-*"))
    mount("remount,size=50m")
    assert command(*of_predict(packed, patient, folder / "out"))[0] == 0
    assert contents(folder / "out") == whole


def test_weights_and_checkpoints_on_a_full_disk(disk: tuple[Path, Mount]) -> None:
    """torch says it in a RuntimeError of its own, and leaves half a file."""
    folder, mount = disk
    mount("size=100k")
    network = nn.Linear(300, 300)
    with pytest.raises(PipelineError, match=r"model\.pt: cannot be written \(No space left on device\)"):
        save_weights(network, folder / "model.pt")
    assert not list(folder.iterdir())
    handler = ResumableCheckpoint(str(folder), {"network": network}, network, str(folder / "model.pt"), seed=0)
    with pytest.raises(PipelineError, match=r"cannot be written \(No space left on device\)"):
        _train(handler)
    assert not [path for path in folder.iterdir() if path.stat().st_size]


@pytest.mark.parametrize("verb", ["run", "predict"])
def test_a_disk_that_may_not_be_written_is_one_line(
    verb: str, packed: Packed, patient: Path, tiny_dataset: Path, disk: tuple[Path, Mount], command: Command
) -> None:
    """Mounted read-only: that stops root, too."""
    folder, mount = disk
    mount("size=1m,ro")
    out = folder / "out"
    words = of_run(tiny_dataset, out) if verb == "run" else of_predict(packed, patient, out)
    code, text = command(*words)
    assert code == 2 and "Read-only file system" in one_line(text) and str(folder) in text


@pytest.mark.parametrize("verb", ["run", "predict"])
def test_a_second_run_in_a_folder_says_who_is_there(
    verb: str, packed: Packed, patient: Path, tiny_dataset: Path, tmp_path: Path, command: Command
) -> None:
    out = tmp_path / "out"
    if verb == "run":
        with held_by_run(out):
            code, text = command(*of_run(tiny_dataset, out))
    else:
        with locked(out / "ledger" / "lock"):
            code, text = command(*of_predict(packed, patient, out))
    assert code == 2 and f"process {os.getpid()} on" in one_line(text) and "at work there; wait" in text


class Losing(Processes):
    """Workers of which the first one is killed while it works."""

    def run(self, function: Callable[[Any], Any], jobs: Any) -> Iterator[tuple[Any, Any]]:
        first, *rest = jobs
        yield first, None
        yield from ((job, function(job)) for job in rest)


def test_a_killed_worker_stops_its_scan_alone(
    packed: Packed, patient: Path, head: HeadWriter, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The executor is replaced by one that lost a worker; that processes are lost so is tested in its own tests."""
    other = head("sub-p2", move=MOVE)
    words = ["predict", other.image, patient, "--model", packed.model, "--out", tmp_path / "out", "--no-pages"]
    with monkeypatch.context() as patch:
        patch.setattr("lesionless.prediction.cohort.executor_named", lambda name, workers: Losing(1))
        code, text = command(*words)
    assert code == 1 and "sub-p1_ses-2: failed: " in text and "1 scan, 1 failed" in text
    assert command(*words, "--workers", "0")[0] == 0


def test_predict_killed_at_work_goes_on_to_the_same_files(
    packed: Packed, patient: Path, tmp_path: Path, command: Command
) -> None:
    assert command(*of_predict(packed, patient, tmp_path / "whole"))[0] == 0
    child = os.fork()
    if child == 0:  # the synthetic atlas of this process is not that of another
        sys.argv = ["lesionless", *map(str, of_predict(packed, patient, tmp_path / "out"))]
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        try:
            cli.main()
        finally:
            os._exit(0)
    while not list((tmp_path / "out").rglob("*.nii.gz")) and not os.waitpid(child, os.WNOHANG)[0]:
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert not (tmp_path / "out" / "cohort.tsv").exists()
    assert command(*of_predict(packed, patient, tmp_path / "out"))[0] == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_clock_that_jumps_hides_no_change(packed: Packed, patient: Path, tmp_path: Path, command: Command) -> None:
    out, words = tmp_path / "out", of_predict(packed, patient, tmp_path / "out")
    assert command(*words)[0] == 0
    before, stat = contents(out), patient.stat()
    for path in [path for path in out.rglob("*") if path.is_file()]:
        os.utime(path, (10**8, 10**8) if path.suffix == ".json" else (4 * 10**9, 4 * 10**9))
    assert command(*words)[0] == 0
    assert contents(out) == before
    content = bytearray(patient.read_bytes())
    content[-4000:-3000] = bytes(reversed(content[-4000:-3000]))
    patient.write_bytes(content)
    os.utime(patient, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as if the clock had been set back
    code, text = command(*words)
    assert code == 1 and f"{patient}: unreadable or truncated" in text


def test_training_goes_on_from_the_last_epoch_whatever_the_clock_said(tmp_path: Path) -> None:
    network = nn.Linear(1, 1)
    handler = ResumableCheckpoint(str(tmp_path), {"network": network}, network, str(tmp_path / "model.pt"), seed=0)
    _train(handler)
    state = torch.load(tmp_path / "checkpoint_2.pt", weights_only=True)
    first = {"network": {**state["network"], "bias": state["network"]["bias"] + 7}, "trainer": state["trainer"]}
    torch.save({**state, **first}, tmp_path / "checkpoint_1.pt")
    os.utime(tmp_path / "checkpoint_1.pt", (4 * 10**9, 4 * 10**9))
    bias = network.bias.detach().clone()
    _train(handler, epochs=3)
    assert torch.equal(network.bias, bias)


def _train(handler: ResumableCheckpoint, epochs: int = 2) -> None:
    from ignite.engine import Engine

    engine = Engine(lambda engine, batch: None)
    handler.attach(engine)
    engine.run([0], max_epochs=epochs)
