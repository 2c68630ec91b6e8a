"""The progress of an engine that counts iterations."""

from __future__ import annotations

from ignite.engine import Engine, Events

from pipeline.progress import Progress

LINE_EVERY = 60.0  # s, of a log


def show_progress(engine: Engine, title: str, unit: str) -> None:
    """A bar on a terminal; in a log, a line a minute.

    Args:
        engine: whose iterations are counted.
        title: what is being done.
        unit: what an iteration is, e.g. `scan`.
    """

    def begin(engine: Engine) -> None:
        shown.append(Progress(title, engine.state.epoch_length or 0, unit, engine.state.iteration, every=LINE_EVERY))

    shown: list[Progress] = []
    engine.add_event_handler(Events.STARTED, begin)
    engine.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: shown[-1].step(engine.state.iteration))
