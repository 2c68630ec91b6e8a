"""Training that can be killed at any moment and goes on with the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from ignite import distributed as idist
from ignite.engine import Engine, Events
from ignite.handlers import Checkpoint, DiskSaver

from pipeline.errors import PipelineError


class ResumableCheckpoint:
    """Saves all training state after every epoch, and starts from it when it is there.

    MONAI's CheckpointSaver writes in place; a kill while it writes leaves half a file. Here files are written under
    a temporary name and renamed. Random numbers are drawn anew from (seed, epoch) at the start of each epoch, so an
    interrupted run and an unbroken one draw the same; each rank draws its own.

    Args:
        folder: where the checkpoint lies; one is kept.
        state: objects with `state_dict` and `load_state_dict`, by name, None where there is none; the engine itself is added.
        weights: object whose state dict is the trained model. weights_path: written once training is complete.
        seed: of the run.

    Raises:
        PipelineError: the checkpoint is of another configuration (its tensors do not fit).
    """

    def __init__(
        self, folder: str, state: dict[str, Any], weights: torch.nn.Module, weights_path: str, seed: int
    ) -> None:
        self.folder = Path(folder)
        self.state = {name: value for name, value in state.items() if value is not None}
        self.weights = weights
        self.weights_path = Path(weights_path)
        self.seed = seed

    def attach(self, engine: Engine) -> None:
        objects = {**self.state, "trainer": engine}
        saver = DiskSaver(str(self.folder), create_dir=True, require_empty=False)
        save = Checkpoint(objects, saver, n_saved=1, global_step_transform=lambda e, _: e.state.epoch)
        engine.add_event_handler(Events.STARTED, self._resume, objects)
        engine.add_event_handler(Events.EPOCH_STARTED, self._seed_epoch)
        engine.add_event_handler(Events.EPOCH_COMPLETED, save)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._remove_older, save)
        engine.add_event_handler(Events.COMPLETED, self._write_weights)

    def _resume(self, engine: Engine, objects: dict[str, Any]) -> None:
        found = sorted(self.folder.glob("checkpoint_*.pt"), key=lambda path: path.stat().st_mtime)
        if not found:
            return
        max_epochs = engine.state.max_epochs
        try:
            checkpoint = torch.load(found[-1], map_location="cpu", weights_only=True)
            Checkpoint.load_objects(to_load=objects, checkpoint=checkpoint)
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise PipelineError(f"checkpoint '{found[-1]}' is of another configuration: {reason}") from error
        engine.state.max_epochs = max_epochs

    @idist.one_rank_only()
    def _remove_older(self, engine: Engine, save: Checkpoint) -> None:
        for path in self.folder.glob("checkpoint_*.pt"):  # those of an interrupted run are not known to `save`
            if path.name != Path(str(save.last_checkpoint)).name:
                path.unlink()

    def _seed_epoch(self, engine: Engine) -> None:
        torch.manual_seed(self.seed * 1_000_003 + engine.state.epoch + 1_009 * idist.get_rank())

    @idist.one_rank_only(with_barrier=True)
    def _write_weights(self, engine: Engine) -> None:
        temporary = self.weights_path.with_suffix(".tmp")
        torch.save(self.weights.state_dict(), temporary)
        temporary.replace(self.weights_path)
