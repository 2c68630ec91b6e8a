"""ScoreHistogram: the one state of the metrics, counts of normal and lesion pixels in each bin of each scan."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import PipelineError
from pipeline.metrics.bins import bin_of, infinite_bin, last_bin
from pipeline.metrics.counts import Counts
from pipeline.metrics.scan_counts import ScanCounts

# Small enough for the CPU's cache and below the size at which torch starts threads, whose barriers cost more than they
# save; on CUDA large enough to hide the launch of a kernel.
CHUNK = {"cpu": 2**15, "cuda": 2**22}
# Scans with a table at a time. To empty tables waits for the device, so CUDA does it for several scans together.
OPEN_SCANS = {"cpu": 1, "cuda": 4}
MAX_COUNT = 2**31 - 1


class ScoreHistogram(ScanCounts):
    """Counts of the pixels of anomaly maps, exact to the width of a bin and independent of the number of pixels.

    A scan under way is one dense table (17 MB at 20 bits) on the device of its scores, compacted to its occupied bins
    on the host when other scans take its place or a figure is asked for. So extra memory is that of a few tables and a
    chunk of pixels, and CUDA waits for the host once in four scans, not once a batch. A scan may come in several
    batches, in any order.

    Scores are read as float32. Pixels outside the support are not looked at. Scores that are NaN or infinite and
    labels other than 0 and 1 fall into places of their own in the table and raise PipelineError with the name of the
    scan: at once on the CPU, and on CUDA, where looking would cost a synchronisation, when the scan is compacted.

    Args:
        bits: resolution, 10 to 22; a bin is as wide as 2^(9 - bits) of its score (0.05 % at 20 bits).
        support: what the support is, in words (`brain`, `brain eroded 3 px`, `frame`).

    Example:
        >>> import torch
        >>> from pipeline.metrics import average_precision, auroc
        >>> histogram = ScoreHistogram()
        >>> for scan, score in (("sub-1", 0.4), ("sub-2", 0.3)):
        ...     maps, lesions = torch.tensor([[[0.1, score, 0.35, 0.8]]]), torch.tensor([[[0, 0, 1, 1]]])
        ...     histogram.update(maps, lesions, support=None, scans=[scan], voxel_ml=0.008)
        >>> round(average_precision(histogram.scan("sub-1")).value, 3)
        0.833
        >>> auroc(histogram.pooled()).value
        0.875
    """

    def __init__(self, bits: int = 20, support: str = "brain") -> None:
        super().__init__(bits, support)
        self._tables: dict[str, Tensor] = {}
        self._pixels: dict[str, int] = {}
        self._spare: Tensor | None = None

    def reset(self) -> None:
        """Forget all scans."""
        super().reset()
        self._tables.clear()
        self._pixels.clear()
        self._spare = None

    def update(
        self,
        scores: Tensor,
        lesion: Tensor | None,
        support: Tensor | None,
        scans: Sequence[str],
        voxel_ml: float | None = None,
    ) -> None:
        """Count the pixels of a batch.

        Args:
            scores: [N, 1, ...] anomaly maps of any range, higher is more anomalous.
            lesion: same shape, 0 or 1; None for normals.
            support: same shape, pixels that are not 0 count; None counts all.
            scans: N scan ids.
            voxel_ml: volume of a voxel in mL; None where it is not known.

        Raises:
            PipelineError: shapes or the number of ids do not fit; scores or labels as above.
        """
        if len(scans) != len(scores):
            raise PipelineError(f"{len(scores)} maps came with {len(scans)} scan ids; give each map one id")
        for name, other in (("lesion", lesion), ("support", support)):
            if other is not None and other.shape != scores.shape:
                raise PipelineError(
                    f"scan '{scans[0]}': the {name} has shape {[*other.shape]} and the scores {[*scores.shape]}"
                )
        start = 0
        for scan, group in groupby(scans):
            stop = start + len(list(group))
            part = slice(start, stop)
            self._count(scan, _flat(scores[part]), _part(lesion, part), _part(support, part))
            if voxel_ml is not None:
                self._voxel_ml[scan] = voxel_ml
            start = stop

    def _count(self, scan: str, scores: Tensor, lesion: Tensor | None, support: Tensor | None) -> None:
        step = CHUNK.get(scores.device.type, CHUNK["cpu"])
        for start in range(0, len(scores), step):
            part = slice(start, start + step)
            places = self._places(scores[part], _part(lesion, part), _part(support, part))
            table = self._table(scan, len(places), places.device)
            table.index_add_(0, places, torch.ones_like(places))
        if scores.device.type == "cpu":
            self._refuse_bad(scan)

    def _places(self, scores: Tensor, lesion: Tensor | None, support: Tensor | None) -> Tensor:
        """Place of each pixel in the table: normal bins, lesion bins, `outside`, `bad label`."""
        width = 2 * last_bin(self.bits) + 1
        places = bin_of(scores.float(), self.bits).add_(last_bin(self.bits))
        if lesion is not None:
            places.add_(lesion != 0, alpha=width)
            if lesion.dtype != torch.bool:
                places.masked_fill_((lesion != 0) & (lesion != 1), 2 * width + 1)
        if support is not None:
            places.masked_fill_(support == 0, 2 * width)
        return places

    def _table(self, scan: str, pixels: int, device: torch.device) -> Tensor:
        """Table of a scan, renewed before a count could leave int32 or when the scan moves to another device."""
        table = self._tables.get(scan)
        if table is not None and (self._pixels[scan] + pixels > MAX_COUNT or table.device != device):
            self._close(scan)
        if scan not in self._tables:
            if len(self._tables) >= OPEN_SCANS.get(device.type, 1):
                self._close_all()
            if self._spare is None or self._spare.device != device:
                self._spare = torch.zeros(2 * (2 * last_bin(self.bits) + 1) + 2, dtype=torch.int32, device=device)
            self._tables[scan], self._pixels[scan], self._spare = self._spare, 0, None
        self._pixels[scan] += pixels
        return self._tables[scan]

    def _refuse_bad(self, scan: str) -> None:
        table, centre, infinite = self._tables[scan], last_bin(self.bits), infinite_bin(self.bits)
        bins = table[:-2].view(2, -1)
        if bins[:, : centre - infinite + 1].any() or bins[:, centre + infinite :].any():
            raise PipelineError(f"scan '{scan}' has NaN or infinite scores in its support; maps must be finite")
        if table[-1]:
            raise PipelineError(f"scan '{scan}' has label values other than 0 and 1; state a rule that makes them so")

    def _close(self, scan: str) -> None:
        """Compact the table of a scan to its occupied bins, on the host."""
        self._refuse_bad(scan)
        table = self._tables.pop(scan)
        del self._pixels[scan]
        bins = table[:-2].view(2, -1).cpu().numpy()
        occupied = np.flatnonzero(bins[0] + bins[1])
        numbers = (occupied - last_bin(self.bits)).astype(np.int32)
        self.add(scan, Counts(numbers, bins[0, occupied], bins[1, occupied], self.bits))
        if table.device.type == "cpu":
            # Emptied where it was filled, a table need not be allocated again for the next scan.
            bins[:, occupied] = 0
            table[-2:] = 0
            self._spare = table

    def _close_all(self) -> None:
        for scan in list(self._tables):
            self._close(scan)

    def _settle(self) -> None:
        self._close_all()
        self._spare = None


def _flat(images: Tensor) -> Tensor:
    """Pixels in a row, a view where the images lie in one piece; without MONAI's metadata."""
    return images.detach().as_subclass(Tensor).reshape(-1)


def _part(images: Tensor | None, part: slice) -> Tensor | None:
    return None if images is None else _flat(images[part])
