"""Text and tables as people have them: any encoding, any separator, a spreadsheet's empty rows."""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import dataclass
from pathlib import Path

from preprocessing.errors import PreprocessingError

FORMULA = ("=", "+", "-", "@")  # how a cell begins that a spreadsheet computes
SEPARATORS = (",", ";", "\t")
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_LARGEST = 1 << 28  # bytes of a table


@dataclass(frozen=True)
class Row:
    """One row of a table: the number of its line and its values by column, without blanks around them."""

    line: int
    values: dict[str, str]


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, in UTF-16 or UTF-32 with its mark, else in Latin-1, in which every byte is a letter.

    Raises:
        PreprocessingError: the file is not there, is no text or is longer than 256 MB.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise PreprocessingError(f"{path}: longer than {_LARGEST >> 20} MB; it is no table")
        content = path.read_bytes()
    except OSError as error:
        raise PreprocessingError(f"{path}: cannot be read ({error.strerror})") from error
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    if "\0" in text:
        raise PreprocessingError(f"{path}: no text, or text of an encoding that it does not name; save it as UTF-8")
    return text


def read_table(path: Path) -> tuple[list[str], list[Row]]:
    """The columns of a table in lower case, and its rows; the separator is the most frequent one of the first line.

    A column without a name, the index of a data frame, is left out, and so are rows without a value.

    Raises:
        PreprocessingError: see `read_text`; a column twice, a row with more values than columns, or broken quotes.
    """
    text = read_text(path)
    first = text.lstrip().partition("\n")[0]
    separator = max(SEPARATORS, key=first.count)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise PreprocessingError(f"{path}: no table, {error}") from error
    filled = [(line, cells) for line, cells in lines if any(cells)]
    if not filled:
        return [], []
    columns = [name.lower() for name in filled[0][1]]
    named = [name for name in columns if name]
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise PreprocessingError(f"{path}: the column {twice[0]!r} is there {named.count(twice[0])} times")
    return named, [_row(path, columns, line, cells) for line, cells in filled[1:]]


def quoted(text: str) -> str:
    """Text as one cell of a table that no spreadsheet takes for a formula: `'` before its first sign.

    >>> quoted("=1+1"), quoted("sub-1 of two")
    ("'=1+1", 'sub-1 of two')
    """
    text = " ".join(text.split())
    return f"'{text}" if text.startswith(FORMULA) else text


def _row(path: Path, columns: list[str], line: int, cells: list[str]) -> Row:
    if any(cells[len(columns) :]):
        rule = "put a value that holds the separator in quotes"
        raise PreprocessingError(f"{path}, line {line}: {len(cells)} values for {len(columns)} columns; {rule}")
    return Row(line, {name: value for name, value in zip(columns, cells, strict=False) if name and value})
