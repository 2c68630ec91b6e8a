"""Attention maps followed over training: what each residual stage of an encoder shows, epoch by epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite import distributed as idist
from ignite.engine import Engine, Events
from monai.data import DataLoader

from pipeline.attention import activation_map, grad_cam, min_max
from pipeline.contracts import EncoderInTraining
from pipeline.data import ScanBatches, SliceDataset
from pipeline.files import write_epoch
from pipeline.losses import spatial_entropy
from pipeline.metrics.attention_figures import StagePixels, stage_figures


class FollowMaps:
    """Figures of the activation maps of all stages, before training (epoch 0) and after each epoch, in a CSV.

    One row an epoch and stage. `auprc`: average precision of all support pixels of the scans; `gradcam_auprc`: that of
    the Grad-CAM, min-max normalised in each slice. `intensity_correlation`, `gradcam_correlation`: Pearson's, over the
    same pixels, of the map with the image and with the Grad-CAM before its sigmoid. `entropy_gap`: `log|B| − H` in
    nats, B the brain, mean over slices. `split`, `scans`: what was followed. All stages come from one pass through the
    encoder. Rows of epochs that are trained again are replaced.

    Args:
        path: of the CSV. network: has `encode`; measured in evaluation mode, without drawing random numbers.
        dataset: the scans, with their support. scans: how many of them at most, spread evenly.
        normalisation: of the channels, as in the loss, see `activation_map`.
    """

    def __init__(
        self,
        path: str,
        network: EncoderInTraining,
        dataset: SliceDataset,
        device: torch.device,
        scans: int = 8,
        normalisation: str = "none",
    ) -> None:
        self.path = Path(path)
        self.network = network
        self.dataset = dataset
        self.device = device
        self.scans = scans
        self.normalisation = normalisation

    def attach(self, engine: Engine) -> None:
        """Attach before the checkpoint, so that an epoch that was saved was also measured."""
        engine.add_event_handler(Events.EPOCH_STARTED(once=1), lambda _: self._write(0))
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda _: self._write(engine.state.epoch))

    def _write(self, epoch: int) -> None:
        if idist.get_rank() != 0:
            return
        training = self.network.training
        self.network.eval()
        found = stage_figures([self._pixels(batch) for batch in self._batches()])
        self.network.train(training)
        where = {"epoch": epoch, "split": self.dataset.split, "scans": min(self.scans, len(self.dataset.items))}
        write_epoch(self.path, [where | row for row in found])

    def _batches(self) -> DataLoader:
        """Whole scans, all on this rank."""
        batches = ScanBatches(self.dataset)
        count = len(batches.items)
        picks = np.linspace(0, count - 1, min(self.scans, count)).round().astype(int)
        batches.items = [batches.items[i] for i in picks]
        return DataLoader(self.dataset, batch_sampler=batches)

    def _pixels(self, batch: dict[str, Any]) -> StagePixels:
        """The support pixels of a scan."""
        image, brain, support = (batch[key].to(self.device) for key in ("image", "brain", "support"))
        size = image.shape[-2:]
        with torch.enable_grad():
            mu, _, features = self.network.encode(image)
            # the graph is kept, not differentiated: the Grad-CAMs of all stages share it
            cams = [grad_cam(f, mu, size, activation="none", create_graph=True).detach() for f in features]
        maps = [activation_map(f.detach(), size, normalisation=self.normalisation) for f in features]
        pixels = brain.flatten(1).sum(dim=1).double()
        gaps = [(pixels.log() - spatial_entropy(attention.double(), brain))[pixels > 0] for attention in maps]
        found = {"map": maps, "cam": cams, "min_max": [min_max(cam) for cam in cams]}
        stacked = {key: torch.stack([v[support] for v in values]).cpu() for key, values in found.items()}
        stacked["gap"] = torch.stack(gaps).cpu()
        return {**stacked, "image": image[support].cpu(), "lesion": batch["lesion"][batch["support"]]}
