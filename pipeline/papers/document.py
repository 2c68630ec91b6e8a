"""Tables in a document, each between two comments, of which the first names its file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.files import write_text

END = "<!-- end of the table -->"
BLOCK = re.compile(rf"<!-- (\S+\.md) -->\n(.*?){re.escape(END)}", re.DOTALL)


def fill(document: Path, runs: Path, files: Sequence[Path]) -> list[str]:
    """Write Markdown tables into a document, each between a comment with its name and `<!-- end of the table -->`.

    The name is the place of the file, `RUNS/tables/PAPER/table1.md` with the last part of the folder of results.
    Everything else in the document stays, tables of other results too.

    Args:
        document: a Markdown file.
        runs: folder of results.
        files: of `write_tables`, below it.

    Returns:
        The tables that were written, by the names in their comments.

    Raises:
        PipelineError: the document is missing, has none of the tables, or names one that was not written.
    """
    if not document.is_file():
        raise PipelineError(f"no document '{document}'")
    root = runs.absolute()
    known = {file.absolute().relative_to(root.parent).as_posix(): file for file in files if file.suffix == ".md"}
    text = document.read_text("utf-8")
    folders = {name.rpartition("/")[0] for name in known}
    asked = [name for name, _ in BLOCK.findall(text) if name.rpartition("/")[0] in folders]
    if not asked:
        place = f"a line <!-- NAME --> and a line {END}, NAME one of {', '.join(known)}"
        raise PipelineError(f"'{document}' has no place for a table: {place}")
    if missing := [name for name in asked if name not in known]:
        there = ", ".join(known)
        raise PipelineError(f"'{document}' has a place for '{missing[0]}', which was not written; there is {there}")
    write_text(document, BLOCK.sub(lambda found: _block(found, known), text))
    return asked


def _block(found: re.Match[str], known: dict[str, Path]) -> str:
    name = found[1]
    return f"<!-- {name} -->\n\n{known[name].read_text('utf-8')}\n{END}" if name in known else found[0]
