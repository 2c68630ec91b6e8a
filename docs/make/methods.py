"""A page a method: its card, its file, and, where there are results, its row and its picture."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from repository import ROOT, moved

from pipeline import report
from pipeline.catalogue import available_methods
from pipeline.errors import PipelineError


def pages(runs: Path) -> Iterator[tuple[str, str | bytes]]:
    """The list of the methods and each of them."""
    yield "methods/index.md", moved((ROOT / "bundles/README.md").read_text("utf-8"), "bundles/README.md", "methods/")
    measured = _measured(runs)
    for method in sorted(available_methods()):
        source = f"bundles/{method}/docs/README.md"
        picture = measured.get(method)
        text = moved((ROOT / source).read_text("utf-8"), source, f"methods/{method}.md")
        yield f"methods/{method}.md", "\n".join([text, _file(method), picture[0] if picture else _unmeasured(runs)])
        if picture:
            yield f"methods/{method}.png", picture[1]


def _file(method: str) -> str:
    content = (ROOT / f"bundles/{method}/configs/method.yaml").read_text("utf-8")
    return f"## The file\n\n`bundles/{method}/configs/method.yaml`\n\n```yaml\n{content}```\n"


def _unmeasured(runs: Path) -> str:
    return f"## Measured\n\nThe results in `{runs.name}`, of which this site was built, do not have this method.\n"


def _measured(runs: Path) -> dict[str, tuple[str, bytes]]:
    """The row and the picture of each method that RUNS has."""
    try:
        results = report.load_results(runs)
        cards = report.protocols(results).iloc[0]
    except PipelineError:
        return {}
    found = {}
    for method, rows in results.groupby("method"):
        row = report.table(rows, brief=True).iloc[0]
        lines = "\n".join([f"| {' | '.join(map(str, row.index))} |", "|---" * len(row) + "|", f"| {' | '.join(row)} |"])
        simulated = " **Simulated** scans." if cards.get("simulated") else ""
        words = f"On the test scans of `{cards['dataset']}`, {cards['image_size']} px.{simulated}"
        picture = report.montage(runs, methods=[str(method)], scans=_spread(report.load_scans(runs)))
        stream = io.BytesIO()
        picture.savefig(stream, format="png", dpi=110)
        text = f"## Measured\n\n{words}\n\n{lines}\n\n![Maps and masks of {method} on held-out scans]({method}.png)\n"
        found[str(method)] = (text, stream.getvalue())
    return found


def _spread(scans: pd.DataFrame) -> list[str]:
    """The largest, the middle and the smallest lesion."""
    volumes = scans[~scans["healthy"]].drop_duplicates("scan").sort_values("lesion_ml", ascending=False)["scan"]
    return [volumes.iloc[place] for place in sorted({0, len(volumes) // 2, len(volumes) - 1})]
