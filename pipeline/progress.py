"""The progress of long work: one live bar on a terminal, else a line of the log a step."""

from __future__ import annotations

import logging
import sys
import time

from tqdm import tqdm

log = logging.getLogger(__name__)


class Progress:
    """Counts steps, such as epochs or scans.

    On a terminal one bar is redrawn. Elsewhere each step is a line of the log at level INFO, with its seconds and the
    time that is left; with `every`, a line comes only when so many seconds have passed since the last one, and for the
    last step of what took as long; at level DEBUG every step has its line again.

    Args:
        title: what is being done.
        total: number of steps.
        unit: what a step is, e.g. `epoch`.
        done: steps that an earlier process has done.
        every: s between lines.
    """

    def __init__(self, title: str, total: int, unit: str, done: int = 0, every: float = 0.0) -> None:
        self.title, self.total, self.unit, self.done, self.every = title, total, unit, done, every
        self.first, self.began = done, time.monotonic()
        self.last_step = self.last_line = self.began
        shown = sys.stderr.isatty() and log.isEnabledFor(logging.INFO)
        self.bar = tqdm(desc=title, total=total, initial=done, unit=unit, dynamic_ncols=True) if shown else None

    def step(self, done: int, text: str = "") -> None:
        """Step number `done` is complete; `text` holds its figures."""
        now = time.monotonic()
        if self.bar is not None:
            self.bar.set_postfix_str(text, refresh=False)
            self.bar.update(done - self.done)
            if done == self.total:
                self.bar.close()
        elif self._has_a_line(done, now):
            left = (now - self.began) / max(1, done - self.first) * (self.total - done)
            seconds = now - (self.last_line if self.every else self.last_step)
            figures = [f"{self.title}: {self.unit} {done} of {self.total}", text, f"{seconds:.1f} s"]
            log.info(", ".join(filter(None, [*figures, f"{duration(left)} left" if done < self.total else ""])))
            self.last_line = now
        self.done, self.last_step = done, now

    def _has_a_line(self, done: int, now: float) -> bool:
        since = self.began if done == self.total else self.last_line
        return now - since >= self.every or log.isEnabledFor(logging.DEBUG)


def duration(seconds: float) -> str:
    """A time in words.

    >>> duration(8.4), duration(75), duration(7500)
    ('8 s', '1 min 15 s', '2 h 5 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"
