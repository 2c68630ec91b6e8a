"""The notebooks as pages: with outputs where there are results to run them on, else as they are stored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import MarkdownExporter
from repository import ROOT, moved

FOLDER = ROOT / "notebooks"
READS = re.compile(r'"\.\./(runs/[^"]+)"')
INTRO = """# Notebooks

They lie in `notebooks/` and read what the commands wrote; `make demo` makes what most of them read. Install
`jupyterlab` beside the package to run them.

| notebook | |
|---|---|
"""


def pages(runs: Path) -> Iterator[tuple[str, str | bytes]]:
    """The list of the notebooks, each of them, and their pictures."""
    lines = []
    for path in sorted(FOLDER.glob("*.ipynb")):
        book = nbformat.read(path, as_version=4)
        title = book.cells[0].source.splitlines()[0].removeprefix("# ")
        lines.append(f"| [{path.stem}]({path.stem}.md) | {title} |")
        yield from _page(path, book, runs)
    yield "notebooks/index.md", INTRO + "\n".join(lines) + "\n"


def _page(path: Path, book: nbformat.NotebookNode, runs: Path) -> Iterator[tuple[str, str | bytes]]:
    [parameters] = [cell for cell in book.cells if "parameters" in cell.metadata.get("tags", [])]
    stored = parameters.source
    missing = [match[1] for match in READS.finditer(stored) if not _place(match[1], runs).exists()]
    if not missing:
        parameters.source = READS.sub(lambda match: repr(str(_place(match[1], runs))), stored)
        NotebookClient(book, timeout=600, resources={"metadata": {"path": str(FOLDER)}}).execute()
        parameters.source = stored
    text, resources = MarkdownExporter().from_notebook_node(book)
    names = {name: f"{path.stem}_{name}" for name in resources["outputs"]}
    for name, picture in resources["outputs"].items():
        text = text.replace(f"]({name})", f"]({names[name]})")
        yield f"notebooks/{names[name]}", picture
    if missing:
        note = f"The outputs are not shown: `{missing[0]}` was not there when the site was built."
        text = re.sub(r"\A(# .*\n)", rf"\1\n*{note}*\n", text)
    target = f"notebooks/{path.stem}.md"
    yield target, moved(_without_styles(text), f"notebooks/{path.name}", target)


def _place(path: str, runs: Path) -> Path:
    """Where the results lie that a notebook reads; those of the demo are those of the site."""
    demo = "runs/demo"
    return runs / path.removeprefix(demo).lstrip("/") if path.startswith(demo) else ROOT / path


def _without_styles(text: str) -> str:
    """Tables of pandas in the look of the site."""
    text = re.sub(r"<style scoped>.*?</style>\n?", "", text, flags=re.DOTALL)
    return text.replace('<table border="1" class="dataframe">', "<table>")
