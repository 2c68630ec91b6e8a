"""Files below a folder by the end of their path."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path


def walk(root: Path) -> Iterator[Path]:
    """All files below `root`, sorted by path."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        yield from (Path(folder, name) for name in sorted(names))


def matches(root: Path, pattern: str) -> list[tuple[Path, re.Match[str]]]:
    """The files below `root` whose path ends with `pattern`, which begins at the name of a file or folder.

    The folders above `root` count too, so that one subject or one site may be given as `root`.
    """
    compiled = re.compile(rf"(?:.*/)?{pattern}")
    found = ((path, compiled.fullmatch(path.absolute().as_posix())) for path in walk(root))
    return [(path, match) for path, match in found if match]
