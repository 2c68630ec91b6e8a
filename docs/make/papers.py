"""The tables and figures of the two papers, each with the command that makes it here."""

from __future__ import annotations

from collections.abc import Iterator

from repository import ROOT

PAPERS = {
    "Silva-Rodríguez et al. 2022": ("table2", "fig2", "fig3", "fig4_5", "fig6", "fig7", "lambda_s"),
    "Bercea et al. 2022": tuple(f"bercea2022_{name}" for name in ("table2", "table3", "table4", "table5", "fig4")),
    "Questions of this project": ("constraint_weight", "when_constraint_helps", "paper_vs_code"),
}
INTRO = """# The tables and figures of the two papers

An ablation is a file of settings. `lesionless ablation NAME DATASET --out OUT` runs them, prints the table beside the
published values and writes `OUT/ablation.csv`; stopped, it goes on. The published scans cannot be handed on, so a
difference to the paper holds the difference of the scans too: read the protocol card first.
"""


def pages() -> Iterator[tuple[str, str]]:
    """One page; an ablation that no paper is told of fails the build."""
    folder = ROOT / "bundles/base/ablations"
    known = {name for names in PAPERS.values() for name in names}
    missing = {path.stem for path in folder.glob("*.yaml")} ^ known
    if missing:
        raise ValueError(f"docs/make/papers.py and {folder} differ in {', '.join(sorted(missing))}")
    parts = [INTRO]
    for paper, names in PAPERS.items():
        rows = [f"| `{name}` | {about((folder / f'{name}.yaml').read_text('utf-8'))} |" for name in names]
        parts.append("\n".join([f"## {paper}\n", "| name | what it is |", "|---|---|", *rows, ""]))
    yield "papers.md", "\n".join(parts)


def about(text: str) -> str:
    """The comment that a file begins with."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return " ".join(lines).replace("|", "\\|")
