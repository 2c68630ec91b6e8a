"""From a batch of lesion-free slices to painted images and the labels of what was painted."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from monai.engines import PrepareBatch

from pipeline.contracts import Batch
from pipeline.engines.prepare import PrepareSlices
from pipeline.painting import Acquisition, PaintedLesions


class PreparePaintedSlices(PrepareBatch):
    """Network input = the painted slice and its height; the target batch holds the `lesion` label in [0, 1].

    Half of the slices are mirrored first. Painting happens on the host. All draws follow from torch's generator, so
    that an interrupted training goes on with the same ones.

    Args:
        lesions: paints on one slice.
        acquisition: deforms the painted slices and draws their contrast anew.
    """

    def __init__(self, lesions: PaintedLesions, acquisition: Acquisition) -> None:
        self.prepare = PrepareSlices()
        self.lesions = lesions
        self.acquisition = acquisition

    def __call__(
        self,
        batchdata: dict[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, Batch, tuple[()], dict[str, torch.Tensor]]:
        rng = np.random.default_rng(int(torch.randint(2**62, ())))
        images, brains = (batchdata[name][:, 0].numpy() for name in ("image", "brain"))
        mirrored = rng.random(len(images)) < 0.5
        images, brains = (np.where(mirrored[:, None, None], array[:, ::-1], array) for array in (images, brains))
        where = zip(images, brains, batchdata["z"].tolist(), batchdata["scan"], strict=True)
        painted = [self.lesions(rng, *slice_) for slice_ in where]
        image, label = (_stack([one.image for one in painted]), _stack([one.label for one in painted]))
        acquired = self.acquisition(image, label, _stack(list(brains)), [one.centre for one in painted])
        batch = {**batchdata, "image": acquired.image, "lesion": acquired.label, "brain": acquired.brain}
        image, prepared = self.prepare(batch, device, non_blocking, **kwargs)
        return image, prepared, (), {"z": prepared["z"]}


def _stack(slices: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(slices)).float()[:, None]
