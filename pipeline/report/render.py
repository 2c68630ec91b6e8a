"""The report: one HTML file that opens from disk, loads nothing, and can be read without scripts."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.files import write_text
from pipeline.pages import render
from pipeline.recipe import commands
from pipeline.report.embed import Picture, photo, plot
from pipeline.report.pictures import montage
from pipeline.report.plots import curves, ranking
from pipeline.report.results import CARD, load_results, load_scans, protocols, thresholds
from pipeline.report.tables import hardest, kind, number, operating_rule, per_threshold, table
from pipeline.report.tissues import COLUMNS, methods_with_tissues, tissues
from pipeline.report.viewer import viewer
from pipeline.report.views import lesion_scans, scan_ids
from pipeline.report.words import card_rows, cells, finding, rule_meanings, subtitle

MONTAGE_SCANS, WORST_SCANS = 4, 3
LARGEST = 19_000_000  # bytes of the page, so that it can be sent and opened


def page(
    runs: str | Path,
    dataset: str | Path | None = None,
    command: str | None = None,
    *,
    mixed: bool = False,
    convention: str = "neurological",
) -> Path:
    """Write RUNS/report.html: tables, maps, curves, failures, thresholds, protocol, and how to make it again.

    The file is identical for identical results. Every value that was read from a file is escaped.

    Args:
        runs: results folder.
        dataset: prepared dataset to take images and labels from; `None` takes those kept in RUNS/reference.
        command: the command that made the results; `None` builds it from the rows, see `pipeline.recipe.commands`.
        mixed: allow results of several protocols in one page, which then says so.
        convention: of its pictures, `neurological` (the patient's left on the left) or `radiological`.

    Returns:
        The path of the file.

    Raises:
        PipelineError: no results, or results of several protocols and `mixed` is false.
    """
    root = Path(runs)
    content = _content(root, None if dataset is None else Path(dataset), command, mixed, convention)
    html = render(__package__, "page", ["basics", "stops", "tables", "page", "viewer"], **content)
    write_text(root / "report.html", html)
    return root / "report.html"


def _content(root: Path, dataset: Path | None, command: str | None, mixed: bool, convention: str) -> dict[str, Any]:
    results, scans = load_results(root, mixed=mixed), load_scans(root)
    rule, labels = operating_rule(results), list(protocols(results).index)
    worst = hardest(scans, rule)
    shown = _Shown(root, dataset, results, rule, convention)
    content = {
        "subtitle": subtitle(results),
        "simulated": bool(results.get(f"{CARD}simulated", pd.Series(False)).any()),
        "mixed": ", ".join(labels) if len(labels) > 1 else "",
        "finding": finding(results),
        "summary": table(results),
        "rules": rule_meanings(results),
        "ranking": plot(lambda theme: ranking(results, theme), _alt("Average precision", results)),
        "curves": plot(lambda theme: curves(root, theme, mixed=mixed), _alt("Precision-recall curves", results)),
        "montages": shown.methods(),
        "tissues": shown.tissues(),
        "rule": rule,
        "hardest": _titled(worst, results),
        "worst": shown.worst(list(worst.index)),
        "thresholds": cells(thresholds(root).replace({"method": _titles(results)})),
        "per_threshold": per_threshold(results),
        "cards": card_rows(results),
        "command": command or "\n".join(commands(results)),
        "convention": convention,
        "files": {"metrics.csv": _csv(results), "scans.csv": _csv(scans)},
    }
    return content | _viewer(root, results, list(shown.rows.index), LARGEST - _size(content))


def _viewer(root: Path, results: pd.DataFrame, methods: list[str], room: int) -> dict[str, Any]:
    made = viewer(root, results, methods, room)
    return {"viewer": made, "levels": 0 if made is None else made.levels}


def _csv(table: pd.DataFrame) -> str:
    return f"data:text/csv;base64,{base64.b64encode(table.to_csv(index=False).encode()).decode()}"


def _size(content: dict[str, Any]) -> int:
    """Bytes of the page without its viewer, nearly."""
    return len(json.dumps(content, default=str))


class _Shown:
    """Montages for the page; there are none where the runs kept no images."""

    def __init__(self, root: Path, dataset: Path | None, results: pd.DataFrame, rule: str, convention: str) -> None:
        self.root, self.dataset, self.rule, self.convention = root, dataset, rule, convention
        order = results.groupby("method")["auprc"].mean().sort_values(ascending=False).index
        self.rows = results.drop_duplicates("method").set_index("method").loc[order]
        self.known = set(scan_ids(root, dataset))

    def methods(self) -> list[tuple[bool, Picture]]:
        """One montage a method, the best first, of the same scans; with whether it is a floor."""
        if not self.known or self.rule == "oracle":
            return []
        scans = lesion_scans(self.root, self.dataset, MONTAGE_SCANS)
        return [(bool(row["floor"]), self._montage(scans, [str(name)])) for name, row in self.rows.iterrows()]

    def tissues(self) -> list[Picture]:
        """One picture a method that draws tissue maps."""
        if not self.known or self.rule == "oracle":
            return []
        return [self._tissues(name) for name in methods_with_tissues(self.root)]

    def _tissues(self, method: str) -> Picture:
        title = str(self.rows.loc[method, "title"])
        alt = f"Rows: test scans. Columns of {title}: {', '.join(COLUMNS)}."
        return photo(tissues(self.root, method, convention=self.convention), alt, title, columns=len(COLUMNS))

    def worst(self, scans: list[str]) -> Picture | None:
        """The hardest scans, with the best learned method and the best floor."""
        chosen = [scan for scan in scans if scan in self.known][:WORST_SCANS]
        kinds = self.rows.apply(kind, axis=1)
        best = [self.rows.index[kinds == wanted][:1] for wanted in ("learned", "floor")]
        return self._montage(chosen, [str(name) for index in best for name in index]) if chosen else None

    def _montage(self, scans: list[str], methods: list[str]) -> Picture:
        titles = " and ".join(str(self.rows.loc[method, "title"]) for method in methods)
        alt = f"Rows: {', '.join(scans)}. Columns: image, labelled lesion, anomaly map and mask of {titles}."
        figure = montage(self.root, self.dataset, scans, methods, self.rule, self.convention)
        return photo(figure, alt, titles, columns=2 + 2 * len(methods))


def _alt(what: str, results: pd.DataFrame) -> str:
    """The figure in words, for readers who do not see it."""
    mean = results.groupby("title")["auprc"].mean().sort_values(ascending=False)
    return f"{what}. Average precision: {', '.join(f'{title} {number(value)}' for title, value in mean.items())}."


def _titled(worst: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    digits = {name: 1 if name == "lesion_ml" else 3 for name in worst.columns}
    shown = worst.apply(lambda column: column.map(lambda value: number(value, digits[column.name])))
    return shown.rename(columns={"lesion_ml": "lesion mL", "mean": "mean Dice", **_titles(results)}).reset_index()


def _titles(results: pd.DataFrame) -> dict[str, str]:
    return dict(zip(results["method"], results["title"], strict=True))
