"""Files below a folder by the end of their path."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path


def walk(root: Path) -> Iterator[str]:
    """The paths of all files below `root`, sorted in each folder."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        yield from (os.path.join(folder, name) for name in sorted(names))


def absolute(path: str) -> str:
    """An absolute path with `/` between its parts, for patterns."""
    return os.path.abspath(path).replace(os.sep, "/")


def matches(root: Path, pattern: str) -> list[tuple[Path, re.Match[str]]]:
    """The files below `root` whose path ends with `pattern`, which begins at the name of a file or folder.

    The folders above `root` count too, so that one subject or one site may be given as `root`.
    """
    compiled = re.compile(rf"(?:.*/)?{pattern}")
    found = ((path, compiled.fullmatch(absolute(path))) for path in walk(root))
    return [(Path(path), match) for path, match in found if match]
