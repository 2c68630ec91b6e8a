"""What the fixture `packed` gives, and where the heads of its patients lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from synthetic_brain import rigid

MOVE = rigid((8, -5, 12), (6, -9, 4))  # where the head of a patient of the tests lies


@dataclass(frozen=True)
class Packed:
    """A model, the run it was packed from, its data set, and the configuration of its preparation."""

    model: Path
    run: Path
    dataset: Path
    config: Path
