"""The page of a cohort: a line a scan, the worst first; each links to the page of the scan beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.files import write_bytes
from pipeline.pages import render
from pipeline.predict.outputs import USE

PAGE = "index.html"
# Key of a line: heading.
COLUMNS = {
    "verdict": "verdict",
    "drift": "unlike the normals",
    "seen_by_model": "seen in training",
    "volume_ml": "mL",
    "percentile_among_normals": "% of normals with less",
    "lesions": "lesions",
    "largest_lesion_ml": "largest, mL",
    "p_value": "p",
    "peak": "peak",
    "dice": "Dice",
}


def write_cohort_page(out: Path, rows: Sequence[dict[str, Any]], title: str, simulated: bool) -> Path:
    """Write `index.html` of the lines of `cohort.tsv`, in their order; its path."""
    shown = [{**row, "page": f"{row['id']}.html" if (out / f"{row['id']}.html").is_file() else None} for row in rows]
    columns = {key: heading for key, heading in COLUMNS.items() if any(row[key] is not None for row in rows)}
    failed = [row for row in shown if row["state"] == "failed"]
    done = [row for row in shown if row["state"] == "done"]
    content = {"failed": failed, "done": done, "columns": columns, "title": title, "simulated": simulated, "use": USE}
    page = render(__package__, "cohort", scripts=["basics", "tables", "cohort"], **content)
    write_bytes(out / PAGE, page.encode())
    return out / PAGE
