"""Training that can be killed at any moment and goes on with the same numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from ignite import distributed as idist
from ignite.engine import Engine, Events
from ignite.handlers import Checkpoint, DiskSaver
from torch import nn

from pipeline.errors import PipelineError
from pipeline.files import writing
from pipeline.networks.weights import first_line, load_weights, read_state, save_weights
from pipeline.threads import NumberOfThreads


class ResumableCheckpoint:
    """Saves all training state after every epoch, and starts from it when it is there.

    MONAI's CheckpointSaver writes in place; a kill while it writes leaves half a file. Here files are written under
    a temporary name and renamed. Random numbers are drawn anew from (seed, epoch) at the start of each epoch, so an
    interrupted run and an unbroken one draw the same; each rank draws its own.

    Args:
        folder: where the checkpoint lies; one is kept.
        state: objects with `state_dict` and `load_state_dict`, by name, None where there is none; the engine is added.
        weights: object whose state dict is the trained model.
        weights_path: written once training is complete.
        seed: of the run.
        batches: save after so many batches, and draw random numbers anew for each, as Fit needs it; None: epochs.
        frozen: networks that do not learn, by name. Their weights are stored once, as `<name>.pt` beside
            `weights_path`, and left out of the checkpoints, also where they are part of a network of `state`. A run
            that goes on reads them from there.

    Raises:
        PipelineError: the checkpoint is of another configuration (its tensors do not fit).
    """

    def __init__(
        self,
        folder: str,
        state: Mapping[str, Any],
        weights: nn.Module,
        weights_path: str,
        seed: int,
        batches: int | None = None,
        frozen: Mapping[str, nn.Module] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.frozen = dict(frozen or {})
        self.state = {
            name: _Learning(value, self.frozen.values()) if isinstance(value, nn.Module) else value
            for name, value in state.items()
            if value is not None
        }
        self.weights = weights
        self.weights_path = Path(weights_path)
        self.seed = seed
        self.batches = batches

    def attach(self, engine: Engine) -> None:
        objects = {**self.state, "trainer": engine, "threads": NumberOfThreads()}
        saver = DiskSaver(str(self.folder), create_dir=True, require_empty=False)
        save = Checkpoint(objects, saver, n_saved=1, global_step_transform=lambda e, _: self._step(e))
        started: Any = Events.EPOCH_STARTED
        completed: Any = Events.EPOCH_COMPLETED
        if self.batches is not None:
            started, completed = Events.ITERATION_STARTED, Events.ITERATION_COMPLETED(event_filter=self._is_due)
        engine.add_event_handler(Events.STARTED, self._freeze)
        engine.add_event_handler(Events.STARTED, self._resume, objects)
        engine.add_event_handler(started, self._draw_anew)
        engine.add_event_handler(completed, self._save, save)
        engine.add_event_handler(completed, self._remove_older, save)
        engine.add_event_handler(Events.COMPLETED, self._write_weights)

    def _save(self, engine: Engine, save: Checkpoint) -> None:
        with writing(self.folder):
            save(engine)

    def _step(self, engine: Engine) -> int:
        return engine.state.epoch if self.batches is None else engine.state.iteration

    def _is_due(self, engine: Engine, iteration: int) -> bool:
        return iteration % (self.batches or 1) == 0 or iteration == engine.state.epoch_length

    def _freeze(self, engine: Engine) -> None:
        """Store what does not learn, or take it from where it was stored."""
        for name, network in self.frozen.items():
            path = self.weights_path.with_name(f"{name}.pt")
            if path.is_file():
                load_weights(network, path)
            elif idist.get_rank() == 0:
                save_weights(network, path)

    def _resume(self, engine: Engine, objects: dict[str, Any]) -> None:
        found = sorted(self.folder.glob("checkpoint_*.pt"), key=_number)  # not by time: a clock may be set back
        if not found:
            return
        max_epochs = engine.state.max_epochs
        try:
            checkpoint = read_state(found[-1])
            known = {name: value for name, value in objects.items() if name != "threads" or name in checkpoint}
            Checkpoint.load_objects(to_load=known, checkpoint=checkpoint)
        except Exception as error:
            reason = f"checkpoint '{found[-1]}' is of another configuration: {first_line(error)}"
            raise PipelineError(reason) from error
        engine.state.max_epochs = max_epochs

    @idist.one_rank_only()
    def _remove_older(self, engine: Engine, save: Checkpoint) -> None:
        for path in self.folder.glob("checkpoint_*.pt"):  # those of an interrupted run are not known to `save`
            if path.name != Path(str(save.last_checkpoint)).name:
                path.unlink()

    def _draw_anew(self, engine: Engine) -> None:
        torch.manual_seed(self.seed * 1_000_003 + self._step(engine) + 1_009 * idist.get_rank())

    @idist.one_rank_only(with_barrier=True)
    def _write_weights(self, engine: Engine) -> None:
        save_weights(self.weights, self.weights_path)


def _number(path: Path) -> int:
    digits = path.stem.removeprefix("checkpoint_")
    return int(digits) if digits.isdigit() else -1


class _Learning:
    """What of a network is no part of the frozen ones, as a state dict."""

    def __init__(self, network: nn.Module, frozen: Iterable[nn.Module]) -> None:
        self.network = network
        self.frozen = frozen

    def state_dict(self) -> dict[str, Any]:
        fixed = self._fixed()
        return {name: value for name, value in self.network.state_dict().items() if name not in fixed}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.network.load_state_dict({**self._fixed(), **state})

    def _fixed(self) -> dict[str, Any]:
        tensors = {id(value) for network in self.frozen for value in network.state_dict(keep_vars=True).values()}
        own = self.network.state_dict(keep_vars=True)
        return {name: value for name, value in own.items() if id(value) in tensors}
