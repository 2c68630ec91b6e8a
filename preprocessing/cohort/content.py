"""Two scans of the same content: refused before the first one runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from preprocessing.errors import PreprocessingError
from preprocessing.io.files import sha256_file
from preprocessing.scan import Scan


def check_content(todo: Iterable[Scan], scans: Iterable[Scan]) -> None:
    """Refuse a scan that has the files of another one, byte by byte; only files of one size are read.

    Args:
        todo: the scans that will run.
        scans: all scans.

    Raises:
        PreprocessingError: two scans with the same content.
    """
    alike: dict[tuple[int, ...], list[Scan]] = defaultdict(list)
    for scan in scans:
        alike[_sizes(scan)].append(scan)
    for sizes in {_sizes(scan) for scan in todo}:
        first: dict[tuple[str, ...], Scan] = {}
        for scan in alike[sizes] if len(alike[sizes]) > 1 and sizes else ():
            other = first.setdefault(tuple(sha256_file(path) for path in scan.inputs), scan)
            if other is not scan:
                both = f"{other.id} ({other.image}) and {scan.id} ({scan.image})"
                raise PreprocessingError(f"two scans have the same content: {both}; each may be there once")


def _sizes(scan: Scan) -> tuple[int, ...]:
    """Bytes of the files of a scan; none where one is not there or empty, which is refused by its own name."""
    sizes = [path.stat().st_size if path.is_file() else 0 for path in scan.inputs]
    return tuple(sizes) if all(sizes) else ()
