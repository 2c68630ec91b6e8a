"""Counts by scan on the host, and their file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.archives import read_arrays
from pipeline.errors import PipelineError
from pipeline.files import replaced
from pipeline.metrics.bins import check_bits
from pipeline.metrics.counts import Counts, total

FORMAT, VERSION = "lesionless-score-histogram", 1
NAMES = ("format", "version", "bits", "support", "scans", "lengths", "voxel_ml", "bins", "negatives", "positives")
State = TypeVar("State", bound="ScanCounts")


class ScanCounts:
    """Counts of each scan, by its id.

    Args:
        bits: resolution of the bins, 10 to 22.
        support: what was counted, in words (`brain`, `brain eroded 3 px`, `frame`); different supports never merge.

    Example:
        >>> import numpy as np
        >>> counts = ScanCounts(support="frame")
        >>> counts.add("sub-1", Counts(np.array([0, 2]), np.array([7, 1]), np.array([0, 2])), voxel_ml=0.001)
        >>> counts.scans, counts.pooled().n_positive
        (['sub-1'], 2)
    """

    def __init__(self, bits: int = 20, support: str = "brain") -> None:
        self.bits = check_bits(bits)
        self.support = support
        self._counts: dict[str, Counts] = {}
        self._voxel_ml: dict[str, float] = {}
        self._pooled: Counts | None = None

    def reset(self) -> None:
        """Forget all scans."""
        self._counts.clear()
        self._voxel_ml.clear()
        self._pooled = None

    def _settle(self) -> None:
        """Hook: bring counts that are still on a device to the host."""

    def add(self, scan: str, counts: Counts, voxel_ml: float | None = None) -> None:
        """Add counts to a scan. voxel_ml: volume of one of its voxels in mL."""
        known = self._counts.get(scan)
        self._counts[scan] = counts if known is None else total([known, counts])
        self._pooled = None
        if voxel_ml is not None:
            self._voxel_ml[scan] = voxel_ml

    @property
    def scans(self) -> list[str]:
        """Scan ids, sorted, so that no figure depends on the order of the batches."""
        self._settle()
        return sorted(self._counts)

    def scan(self, scan: str) -> Counts:
        """Counts of one scan; raises PipelineError for an unknown one and for one without a pixel in its support."""
        self._settle()
        if scan not in self._counts:
            raise PipelineError(f"unknown scan '{scan}'; available: {', '.join(self.scans[:8]) or 'none'}")
        if not len(self._counts[scan].bins):
            raise PipelineError(f"scan '{scan}' has an empty support: it has no pixel to count")
        return self._counts[scan]

    def pooled(self) -> Counts:
        """Counts of all scans together; raises PipelineError where there is none."""
        if not self.scans:
            raise PipelineError("no scan was counted")
        if self._pooled is None:
            self._pooled = total(self.scan(scan) for scan in self.scans)
        return self._pooled

    def voxel_ml(self, scan: str) -> float | None:
        """Volume of a voxel of a scan in mL, None where it was not given."""
        return self._voxel_ml.get(scan)

    def take(self, other: ScanCounts) -> None:
        """Hold what `other` holds, for those who keep this object."""
        if other is not self:
            self.reset()
            for scan in other.scans:
                self.add(scan, other.scan(scan), other.voxel_ml(scan))

    def select(self: State, scans: Iterable[str]) -> State:
        """Counts of some of the scans; raises PipelineError for an unknown one."""
        chosen = type(self)(self.bits, self.support)
        for scan in dict.fromkeys(scans):
            chosen.add(scan, self.scan(scan), self.voxel_ml(scan))
        return chosen

    def with_prefix(self: State, prefix: str) -> State:
        """The same counts with `prefix` before each scan id, for sites that number their scans alike."""
        renamed = type(self)(self.bits, self.support)
        for scan in self.scans:
            renamed.add(prefix + scan, self.scan(scan), self.voxel_ml(scan))
        return renamed

    def digest(self) -> str:
        """sha256 of the contents, the same for any order of batches and ranks."""
        digest = hashlib.sha256(f"{FORMAT} {VERSION} {self.bits} {self.support}".encode())
        for name, array in self._arrays().items():
            digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
        return digest.hexdigest()

    def _arrays(self) -> dict[str, NDArray]:
        parts = [self.scan(scan) for scan in self.scans]
        joined = {
            name: np.concatenate([getattr(part, name) for part in parts] or [np.zeros(0)]).astype(dtype)
            for name, dtype in (("bins", np.int32), ("negatives", np.int64), ("positives", np.int64))
        }
        volumes = [self._voxel_ml.get(scan, np.nan) for scan in self.scans]
        return {
            "scans": np.array(self.scans, np.str_),
            "lengths": np.array([len(part.bins) for part in parts], np.int64),
            "voxel_ml": np.array(volumes, np.float64),
            **joined,
        }

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a compressed `.npz` by atomic rename; it holds counts only, no pixel and no picture."""
        path = Path(path)
        head = {"format": np.array(FORMAT), "version": np.array(VERSION), "bits": np.array(self.bits)}
        head["support"] = np.array(self.support)
        with replaced(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **head, **self._arrays())
        return path

    @classmethod
    def load(cls: type[State], path: str | os.PathLike[str]) -> State:
        """Read a file of `save`; raises FileNotFoundError, and PipelineError for another kind or version of file."""
        data = _read(Path(path))
        try:
            loaded = cls(int(data["bits"]), str(data["support"]))
        except PipelineError as error:
            raise PipelineError(f"{_no_histogram(Path(path))}: {error}") from error
        stops = np.cumsum(data["lengths"])[:-1]
        columns = zip(*(np.split(data[name], stops) for name in ("bins", "negatives", "positives")), strict=True)
        for scan, volume, (bins, negatives, positives) in zip(data["scans"], data["voxel_ml"], columns, strict=False):
            counts = Counts(bins, negatives, positives, loaded.bits)
            if not counts.possible() or str(scan) in loaded._counts:
                raise PipelineError(f"{path} is damaged: scan '{scan}' has impossible counts")
            loaded.add(str(scan), counts, None if np.isnan(volume) else float(volume))
        return loaded


def _read(path: Path) -> dict[str, NDArray]:
    """The arrays of a file, of the kinds and lengths that `save` gives them."""
    try:
        data = read_arrays(path, NAMES)
    except PipelineError as error:
        raise PipelineError(f"{_no_histogram(path)}: {error}") from error
    lengths, columns = data["lengths"], [data[name] for name in ("bins", "negatives", "positives")]
    if (
        any(data[name].shape for name in ("format", "version", "bits", "support"))
        or (str(data["format"]), str(data["version"])) != (FORMAT, str(VERSION))
        or data["bits"].dtype.kind not in "iu"
    ):
        raise PipelineError(_no_histogram(path))
    scans = len(data["scans"]) if data["scans"].ndim == 1 and data["scans"].dtype.kind == "U" else -1
    whole = all(array.ndim == 1 and array.dtype.kind == "i" for array in (lengths, *columns))
    if not (whole and data["voxel_ml"].shape == (scans,) == lengths.shape and data["voxel_ml"].dtype.kind == "f"):
        raise PipelineError(f"{path} is damaged: its arrays do not belong together")
    if (lengths < 0).any() or not (data["voxel_ml"][~np.isnan(data["voxel_ml"])] > 0).all():
        raise PipelineError(f"{path} is damaged: a length or a volume is negative")
    if any(len(column) != sum(lengths.tolist()) for column in columns):
        raise PipelineError(f"{path} is damaged: its arrays do not belong together")
    return data


def _no_histogram(path: Path) -> str:
    return f"{path} is not a score histogram of version {VERSION} (ScoreHistogram.save)"
