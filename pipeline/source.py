"""The digest of this package's source: two copies of one release can still compute other numbers."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

DIGITS = 12


@lru_cache(maxsize=1)
def source_digest(package: Path = Path(__file__).parent) -> str:
    """First digits of the SHA-256 of all Python files below a folder, with their places; as of the first call.

    `pipeline` computes the numbers of a run from a configuration and a prepared data set, whose digests are kept beside
    this one. The other packages hand them to it.

    Args:
        package: the folder, this package unless given.
    """
    total = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(package).as_posix()} {content}\n".encode())
    return total.hexdigest()[:DIGITS]
