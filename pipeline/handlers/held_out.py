"""Terms of the training's objective on held-out normals, to choose hyper-parameters by (Bercea et al. 2022, Fig. 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedEvaluator

from pipeline.contracts import Batch, Drawn
from pipeline.inferers.chunks import CHUNK
from pipeline.metrics.distributed import gather_rows

DrawnT = TypeVar("DrawnT", bound=Drawn)


class HeldOutTerms(Generic[DrawnT]):
    """`figures()`: `held_out_l1` and `held_out_kl`, means over the slices of the split that it is attached to.

    Neither depends on its weight, so that runs with different weights can be compared. A scan that several ranks have
    counts once.

    Args:
        latent: `(output, batch) -> [N]`, KL of each image, see `ImageObjective`. chunk: slices at work at a time.
    """

    def __init__(self, latent: Callable[[DrawnT, Batch], torch.Tensor], chunk: int = CHUNK) -> None:
        self.latent = latent
        self.chunk = chunk
        self.scans: dict[str, torch.Tensor] = {}

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, lambda _: self.scans.clear())
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._add)

    def figures(self) -> dict[str, float]:
        """The means, over the scans of all ranks."""
        scans = dict(sorted(dict(gather_rows([*self.scans.items()])).items()))
        l1, kl = np.concatenate([terms.numpy() for terms in scans.values()], axis=1).mean(axis=1)
        return {"held_out_l1": float(l1), "held_out_kl": float(kl)}

    @torch.no_grad()
    def _add(self, engine: SupervisedEvaluator) -> None:
        output: Any = engine.state.output
        batch = output["label"]
        places = torch.arange(len(batch["image"])).split(self.chunk)
        parts = [self._terms(engine.network, Batch(image=batch["image"][at], z=batch["z"][at])) for at in places]
        self.scans[batch["scan"][0]] = torch.cat(parts, dim=1).cpu().double()

    def _terms(self, network: Callable[[torch.Tensor], DrawnT], part: Batch) -> torch.Tensor:
        """L1 and KL of each slice, [2, n]."""
        output = network(part["image"])
        l1 = (part["image"] - output.reconstruction.float()).abs().flatten(1).mean(dim=1)
        return torch.stack([l1, self.latent(output, part)])
