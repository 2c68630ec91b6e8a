"""Write the tables of a paper, and the ranking, as CSV, Markdown, LaTeX and HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline.errors import PipelineError
from pipeline.files import write_csv, write_text
from pipeline.papers.cells import NOT_SEPARABLE, cells
from pipeline.papers.formats import View, html, latex, markdown
from pipeline.papers.measured import Measured, measure
from pipeline.papers.published import Paper, PaperTable, load_paper
from pipeline.papers.ranking import ranking
from pipeline.report.results import CARD, load_results
from pipeline.report.tables import MISSING, number

FORMATS = {"md": markdown, "tex": latex, "html": html}
RANKED = "auprc"
OTHER_DATA = "The published values are of other data: a difference says how far apart they are, not who is better."


@dataclass(frozen=True)
class Written:
    """The files, why tables were left out, and the ranking."""

    files: list[Path]
    left_out: list[str]
    ranking: pd.DataFrame


def write_tables(runs: str | Path, paper: str) -> Written:
    """Write RUNS/tables/PAPER/table<N>.* and ranking.*: one protocol, floors in every table.

    Args:
        runs: folder of results. paper: see `available_papers`.

    Raises:
        PipelineError: no such paper; rows of several protocols; none of the paper's learned methods, or no floor, was
            run there; no table of the paper is of the protocol of the runs.
    """
    of, results = load_paper(paper), load_results(runs)
    card = {name.removeprefix(CARD): str(results[name].iloc[0]) for name in results if name.startswith(CARD)}
    fitting, left_out = _fitting(of, card)
    _check(of, fitting, left_out, results, Path(runs))
    figures = list(dict.fromkeys([RANKED, *(figure for table in fitting for figure in table.figures)]))
    found, out = measure(Path(runs), results, figures), Path(runs) / "tables" / paper
    files = [file for table in fitting for file in _write_table(out, of, table, found, card)]
    ranked = ranking(found, RANKED)
    return Written([*files, *_write_ranking(out, ranked, card)], left_out, ranked)


def _fitting(paper: Paper, card: dict[str, str]) -> tuple[list[PaperTable], list[str]]:
    """The tables that are of the protocol of the runs, and why the others are not."""
    fitting, left_out = [], []
    for table in paper.tables:
        other = [
            f"{key} '{need}', the runs have '{card.get(key)}'"
            for key, need in table.needs.items()
            if card.get(key) != need
        ]
        if other:
            left_out.append(f"Table {table.number} needs {' and '.join(other)}")
        else:
            fitting.append(table)
    return fitting, left_out


def _check(
    paper: Paper, fitting: Sequence[PaperTable], left_out: Sequence[str], results: pd.DataFrame, runs: Path
) -> None:
    if not fitting:
        raise PipelineError(f"no table of {paper.name} is of the protocol of '{runs}': {'; '.join(left_out)}")
    theirs = dict.fromkeys(method for table in fitting for method in table.values["method"])
    learned = set(results.loc[~results["floor"], "method"])
    if not learned & set(theirs):
        there = ", ".join(sorted(learned)) or "floors alone"
        choices = ", ".join(theirs)
        raise PipelineError(
            f"no learned method of {paper.name} was run in '{runs}', which has {there}; the paper has {choices}"
        )
    if not results["floor"].any():
        raise PipelineError(
            f"'{runs}' has no floor, and no table is written without: lesionless run … --methods intensity"
        )


def _write_table(
    out: Path, paper: Paper, table: PaperTable, found: Sequence[Measured], card: dict[str, str]
) -> list[Path]:
    frame = cells(table, found)
    stem = out / f"table{table.number}"
    write_csv(stem.with_suffix(".csv"), frame.assign(**{f"{CARD}{key}": value for key, value in card.items()}))
    where = f", page {table.page}" if table.page.isdigit() else f", {table.page}" if table.page else ""
    source = f"{paper.source}, Table {table.number}{where}"
    caption = f"{table.title} (Table {table.number} of {paper.name}), measured here and published"
    view = View(caption, {**_told(card), "published": source, "their protocol": paper.protocol}, *_lines(table, frame))
    return [stem.with_suffix(".csv"), *_write(stem, view)]


def _write(stem: Path, view: View) -> list[Path]:
    for suffix, text in FORMATS.items():
        write_text(stem.with_suffix(f".{suffix}"), text(view))
    return [stem.with_suffix(f".{suffix}") for suffix in FORMATS]


def _told(card: dict[str, str]) -> dict[str, str]:
    """The protocol card of the runs in one line, simulated data first."""
    simulated = "SIMULATED data, " if card.get("simulated") == "True" else ""
    return {"measured here": simulated + ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in card.items())}


def _lines(table: PaperTable, frame: pd.DataFrame) -> tuple[list[str], list[list[list[str]]], list[str]]:
    several = frame["data"].nunique() > 1
    header = [*(["published data"] if several else []), "method", "", *table.figures.values()]
    groups = []
    for (data, _, label), rows in frame.groupby(["data", "method", "label"], sort=False):
        kind = rows["kind"].iloc[0]
        title = label if kind == "learned" else f"{label} ({kind})"
        texts = [[_measured(row) for _, row in rows.iterrows()]]
        if rows["published"].notna().any():
            texts += [[_published(row) for _, row in rows.iterrows()]]
            texts += [[number(row["difference"], 3, signed=True) for _, row in rows.iterrows()]]
        names = zip(("here", "published", "difference"), texts, strict=False)
        group = [[*([str(data)] if several else []), str(title), name, *line] for name, line in names]
        groups.append(
            [group[0], *([*([""] if several else []), "", *line[2 if several else 1 :]] for line in group[1:])]
        )
    return header, groups, [*_notes(table, frame), OTHER_DATA]


def _measured(row: pd.Series) -> str:
    if pd.isna(row["measured"]):
        return MISSING
    spread = f" ± {row['measured_sd']:.3f}" if pd.notna(row["measured_sd"]) else ""
    ends = f" [{number(row['low'])}, {number(row['high'])}]" if pd.notna(row["low"]) else ""
    text = f"{number(row['measured'])}{spread}{ends}{' †' if row['not_separable'] else ''}"
    return f"**{text}**" if row["best"] else text


def _published(row: pd.Series) -> str:
    spread = f" ± {row['published_sd']:.3f}" if pd.notna(row["published_sd"]) else ""
    return number(row["published"]) + spread


def _notes(table: PaperTable, frame: pd.DataFrame) -> list[str]:
    together = frame[frame["not_separable"]]
    names = [table.figures[figure] for figure in table.figures if figure in set(together["figure"])]
    notes = ["here: mean ± standard deviation over seeds [95 % interval over patients]."]
    notes += (
        ["bold: the best, told from every other by the paired interval over patients."] if frame["best"].any() else []
    )
    notes += [f"†: {NOT_SEPARABLE} ({', '.join(names)})."] if names else []
    return notes


def _write_ranking(out: Path, ranked: pd.DataFrame, card: dict[str, str]) -> list[Path]:
    stem = out / "ranking"
    write_csv(stem.with_suffix(".csv"), ranked.assign(**{f"{CARD}{key}": value for key, value in card.items()}))
    rows = [
        [str(row["rank"]), str(row["method"]), str(row["kind"]), number(row[RANKED])]
        + [f"{row['rank_low']:g} to {row['rank_high']:g}", f"{row['first']:.0%}"]
        for _, row in ranked.iterrows()
    ]
    header = ["rank", "method", "kind", "AUPRC", "rank, 95 % of the draws", "first"]
    notes = ["The patients were drawn again 1,000 times; first: the share of draws in which a method leads."]
    return [stem.with_suffix(".csv"), *_write(stem, View("Ranking by AUPRC", _told(card), header, [rows], notes))]
