"""Training in two phases: without the constraint, then with it."""

from __future__ import annotations

from ignite.engine import Engine, Events

from pipeline.losses import LogBarrier, Objective


class ConstraintSchedule:
    """Switches the constraint of an objective on after `warmup_epochs`, and lets the t of its barriers grow from there.

    Everything follows from the number of the epoch, so a resumed run goes on as an unbroken one.

    Args:
        objective: the loss; its constraint is neither computed nor logged in the first phase.
        warmup_epochs: epochs of the first phase; 0 for none (Silva-Rodríguez 2022, section 4.3: 50 of 300).
    """

    def __init__(self, objective: Objective, warmup_epochs: int = 0) -> None:
        self.objective = objective
        self.warmup_epochs = warmup_epochs

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.EPOCH_STARTED, self._set)

    def _set(self, engine: Engine) -> None:
        epoch = engine.state.epoch - 1 - self.warmup_epochs
        self.objective.constrained = epoch >= 0
        for module in self.objective.modules():
            if isinstance(module, LogBarrier):
                module.set_epoch(max(epoch, 0))
