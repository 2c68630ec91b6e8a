"""Terms of the training's objective on held-out normals, to choose hyper-parameters by (Bercea et al. 2022, Fig. 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events


class HeldOutTerms:
    """`figures()`: `held_out_l1` and `held_out_kl`, means over the slices of the split that it is attached to.

    Neither depends on its weight, so that runs with different weights can be compared.

    Args:
        latent: `(output, batch) -> [N]`, KL of each image, see `ImageObjective`.
    """

    def __init__(self, latent: Callable[[Any, dict[str, Any]], torch.Tensor]) -> None:
        self.latent = latent
        self.l1: list[float] = []
        self.kl: list[float] = []

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._add)

    def figures(self) -> dict[str, float]:
        """The means."""
        return {"held_out_l1": float(np.mean(self.l1)), "held_out_kl": float(np.mean(self.kl))}

    @torch.no_grad()
    def _add(self, engine: Any) -> None:
        batch = engine.state.output["label"]
        output = engine.network(batch["image"])
        self.l1 += (batch["image"] - output.reconstruction.float()).abs().flatten(1).mean(dim=1).tolist()
        self.kl += self.latent(output, batch).tolist()
