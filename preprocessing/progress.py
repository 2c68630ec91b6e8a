"""The progress of work over many scans: one live bar on a terminal, else lines of the log with the time left."""

from __future__ import annotations

import logging

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

LINES = 10  # in a log, of all scans together; a line a scan at level DEBUG

log = logging.getLogger(__name__)


class ScanProgress(Progress):
    """On stderr; where it is not `shown`, messages to its `console` still are."""

    def __init__(self, shown: bool) -> None:
        console = Console(stderr=True)
        self.logs = shown and not console.is_terminal
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        times = (TimeElapsedColumn(), TimeRemainingColumn())
        super().__init__(*columns, *times, console=console, disable=not shown or not console.is_terminal)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """One scan more is done."""
        super().advance(task_id, advance)
        task = self._tasks[task_id]
        total, done = int(task.total or 0), int(task.completed)
        due = done == total or done % max(1, total // LINES) == 0 or log.isEnabledFor(logging.DEBUG)
        if self.logs and due:
            left = f", {task.time_remaining:.0f} s left" if task.time_remaining else ""
            log.info("%s: %d of %d, %.1f s%s", task.description, done, total, task.elapsed or 0.0, left)


def progress_bar(shown: bool) -> ScanProgress:
    """Of work over scans; hidden where the log is quiet, too."""
    return ScanProgress(shown and log.isEnabledFor(logging.INFO))


def say(quiet: bool = False, verbose: bool = False) -> None:
    """Send the log's lines to stderr; `quiet` leaves warnings alone, `verbose` adds a line for every scan."""
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    level = logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO
    logging.getLogger("preprocessing").setLevel(level)
