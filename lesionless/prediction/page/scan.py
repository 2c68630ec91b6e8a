"""The page of one scan: three planes with map and mask, a slider for the threshold, lesions, checks, the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lesionless.prediction.page.levels import levels
from lesionless.prediction.page.volumes import around, grey, volume
from pipeline.files import write_bytes
from pipeline.pages import packed, render
from pipeline.predict.model import CARD, Model
from pipeline.predict.prediction import Prediction
from preprocessing.qc.viewer import niivue

FIGURES = {
    "auprc": "average precision",
    "auroc": "AUROC",
    "dice@val_op": "Dice at val_op",
    "dice@oracle": "best Dice possible (oracle)",
    "n_scans": "scans",
    "card_dataset": "data set",
    "card_support": "region",
    "card_preset": "protocol",
}


def write_page(out: Path, model: Model, cell: str, image: NDArray, found: Prediction, summary: dict[str, Any]) -> Path:
    """Write `<scan>.html`; its path below `out`. Nothing is loaded from elsewhere, every value is escaped.

    Args:
        cell: of the thresholds. image: [X, Y, Z], the scan on its own grid.
    """
    box, affine = around(found.native.scores > 0, found.native.grid.affine)
    by_level = levels(found.native, model.thresholds[cell])
    rule = summary["threshold"]["rule"]
    card = model.document(CARD)
    page = render(
        __package__,
        "scan",
        scripts=["basics", "stops", "scan"],
        summary=summary,
        lesions=[lesion.row() for lesion in found.lesions],
        model=model.facts,
        figures={title: card[key] for key, title in FIGURES.items() if card.get(key) is not None},
        image=volume(grey(image[box]), affine),
        map=volume(by_level.map[box], affine),
        stops={
            "values": by_level.stops,
            "rules": by_level.rules,
            "voxel_ml": found.native.grid.voxel_ml,
            "start": by_level.rules.index(rule) if rule in by_level.rules else 0,
        },
        niivue=packed(niivue().encode()),
    )
    path = Path(f"{summary['id']}.html")
    write_bytes(out / path, page.encode())
    return path
