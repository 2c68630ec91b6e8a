"""A table as Markdown, as LaTeX with booktabs, and as HTML: three lines a method, or one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import jinja2

LATEX = {sign: f"\\{sign}" for sign in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "⌈": r"$\lceil$", "⌉": r"$\rceil$", "±": r"$\pm$", "−": "$-$",
    "–": "--", "λ": r"$\lambda$", "β": r"$\beta$", "†": r"$^\dagger$", "×": r"$\times$",
}  # fmt: skip


@dataclass(frozen=True)
class View:
    """A table for people.

    Args:
        caption: one line. card: what the runs and the paper are. notes: lines below.
        header: of the columns. groups: rows that stand together, each a list of cells; cells in `**` are bold.
    """

    caption: str
    card: Mapping[str, str]
    header: Sequence[str]
    groups: Sequence[Sequence[Sequence[str]]]
    notes: Sequence[str] = field(default_factory=list)


def markdown(view: View) -> str:
    """With the protocol card above."""
    lines = [f"**{_plain(view.caption)}**", "", *(f"* {key}: {_plain(value)}" for key, value in view.card.items()), ""]
    lines += [_line(view.header), "|" + "---|" * len(view.header)]
    lines += [_line(row) for group in view.groups for row in group]
    return "\n".join([*lines, "", *(f"{_plain(note)}  " for note in view.notes)]).rstrip() + "\n"


def _line(row: Sequence[str]) -> str:
    return "| " + " | ".join(_plain(cell) for cell in row) + " |"


def _plain(text: str) -> str:
    """Text that a Markdown table takes for text."""
    return re.sub(r"([|<>_`\[\]])", r"\\\1", text)


def latex(view: View) -> str:
    r"""A `table` environment; it needs `\usepackage{booktabs}`. The protocol card is above, in comments and caption."""
    told = [view.caption, *(f"{key[:1].upper()}{key[1:]}: {value}" for key, value in view.card.items()), *view.notes]
    caption = " ".join(f"{text.rstrip('.')}." for text in told)
    body = "\n\\addlinespace\n".join("\n".join(_latex_line(row) for row in group) for group in view.groups)
    lines = [
        *(f"% {key}: {' '.join(value.split())}" for key, value in view.card.items()),
        r"\begin{table}",
        r"\centering\scriptsize",
        rf"\caption{{{_tex(caption)}}}",
        rf"\begin{{tabular}}{{{'l' * len(view.header)}}}",
        r"\toprule",
        _latex_line(view.header),
        r"\midrule",
        body,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_line(row: Sequence[str]) -> str:
    return " & ".join(_tex_cell(cell) for cell in row) + r" \\"


def _tex_cell(cell: str) -> str:
    bold = re.fullmatch(r"\*\*(.*)\*\*", cell)
    text = _tex(bold[1] if bold else cell)
    text = f"{{{text}}}" if text.startswith("[") else text  # after `\\` a bracket would be a length
    return rf"\textbf{{{text}}}" if bold else text


def _tex(text: str) -> str:
    return "".join(LATEX.get(sign, sign) for sign in text)


def html(view: View) -> str:
    """A page of its own; every text is escaped."""
    source = (Path(__file__).parent / "table.html").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(source)
    template.globals["cell"] = _html_cell
    return template.render(view=view) + "\n"


def _html_cell(cell: str) -> jinja2.utils.markupsafe.Markup:
    bold = re.fullmatch(r"\*\*(.*)\*\*", cell)
    text = f"<strong>{escape(bold[1])}</strong>" if bold else escape(cell)
    return jinja2.utils.markupsafe.Markup(text)  # escaped the line above
