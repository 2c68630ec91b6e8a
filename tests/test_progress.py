"""A log has a line a step with its figures and the time left; a terminal has one bar."""

from __future__ import annotations

import io
import logging

import pytest

from pipeline import progress
from pipeline.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the log receives, while stderr is a terminal or not."""
    found: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    monkeypatch.setattr(progress.log, "handlers", [Keep()])
    monkeypatch.setattr(progress.log, "level", logging.INFO)
    progress.log.manager._clear_cache()  # type: ignore[attr-defined]
    return found


def clock(monkeypatch: pytest.MonkeyPatch, seconds: list[float]) -> None:
    monkeypatch.setattr(progress.time, "monotonic", iter(seconds).__next__)


def test_a_line_an_epoch_with_loss_seconds_and_time_left(monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    clock(monkeypatch, [0.0, 50.0, 120.0])
    epochs = Progress("vae", total=4, unit="epoch", done=2)
    epochs.step(3, "loss 0.5")
    epochs.step(4, "loss 0.25")
    assert lines == ["vae: epoch 3 of 4, loss 0.5, 50.0 s, 50 s left", "vae: epoch 4 of 4, loss 0.25, 70.0 s"]


def test_quick_steps_share_a_line(monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    clock(monkeypatch, [float(second) for second in range(121)])
    scans = Progress("test", total=120, unit="scan", every=60.0)
    for scan in range(1, 121):
        scans.step(scan)
    assert lines == ["test: scan 60 of 120, 60.0 s, 1 min 0 s left", "test: scan 120 of 120, 60.0 s"]


def test_the_last_of_quick_steps_has_a_line(monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    clock(monkeypatch, [0.0, 3.0, 6.0, 8.0])
    epochs = Progress("vae", total=3, unit="epoch", every=5.0)
    for epoch in (1, 2, 3):
        epochs.step(epoch, f"loss {epoch}")
    assert lines == ["vae: epoch 2 of 3, loss 2, 6.0 s, 3 s left", "vae: epoch 3 of 3, loss 3, 2.0 s"]


def test_a_terminal_has_a_bar_and_no_lines(monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    epochs = Progress("vae", total=2, unit="epoch")
    for epoch in (1, 2):
        epochs.step(epoch, f"loss {epoch}.5")
    assert lines == []
    assert "vae: 100%" in terminal.getvalue() and "loss 2.5" in terminal.getvalue() and "\r" in terminal.getvalue()
    assert terminal.getvalue().count("\n") == 1


def test_quiet_shows_nothing(monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr(progress.log, "level", logging.WARNING)
    progress.log.manager._clear_cache()  # type: ignore[attr-defined]
    Progress("vae", total=1, unit="epoch").step(1)
    assert (terminal.getvalue(), lines) == ("", [])
