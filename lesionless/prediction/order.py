"""What is asked of every scan, and of one: what a worker needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from lesionless.prediction.preparation import Preparation, of_model
from lesionless.prediction.sources import Source
from pipeline.predict.model import PREPARATION, Model, read_model
from preprocessing.cohort.scan_request import ScanRequest, status_file

PREPARED = "prepared"


@dataclass(frozen=True)
class Order:
    """What is asked of every scan.

    Args:
        model: its folder. atlas: folder of the atlas; None: the one in the user's cache.
        out: folder of the predictions. prepared: folder of the prepared scans.
        threshold: rule of the mask; None: the model's own. cell: of the normals; None: the only one.
        atlas_space: also write map and mask on the grid of the atlas.
        pages: write a page for each scan.
        dicom: also write map and mask as DICOM, beside the series that the scan is.
    """

    model: Path
    atlas: Path | None
    out: Path
    prepared: Path
    threshold: str | None = None
    cell: str | None = None
    atlas_space: bool = False
    pages: bool = True
    dicom: bool = False


@dataclass(frozen=True)
class Job:
    """One scan of an order. request: of its preparation."""

    order: Order
    source: Source
    request: ScanRequest

    @property
    def path(self) -> Path:
        """Its record."""
        return status_file(self.order.out, self.source.scan.id)


class Opened(NamedTuple):
    """A model and its preparation."""

    model: Model
    preparation: Preparation


@lru_cache(maxsize=2)
def opened(folder: Path, atlas: Path | None) -> Opened:
    """The model in a folder and its preparation, read once a process."""
    model = read_model(folder)
    return Opened(model, of_model(folder, model.document(PREPARATION), atlas))
