"""What a person said about the scans: `qc_ratings.tsv`, saved by the page, read by the next run."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from pathlib import Path

from preprocessing.errors import PreprocessingError
from preprocessing.io.text import read_text

NAME = "qc_ratings.tsv"
COLUMNS = ("id", "rating")
RATINGS = ("good", "doubtful", "exclude")  # keys 1, 2, 3 of the page


def read_ratings(path: Path, ids: Collection[str]) -> dict[str, str]:
    """Scan id → rating.

    Args:
        path: table with the columns `id` and `rating`, tab-separated.
        ids: the scans that may be rated.

    Raises:
        PreprocessingError: other columns, an id that is unknown or there twice, or an unknown rating.
    """
    ratings: dict[str, str] = {}
    with io.StringIO(read_text(path), newline="") as stream:
        reader = csv.DictReader(stream, delimiter="\t", restval="")
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise PreprocessingError(f"{path}: columns {reader.fieldnames}; needed: {', '.join(COLUMNS)}")
        for line, row in enumerate(reader, 2):
            _check(f"{path}, line {line}", row["id"], row["rating"], ids, ratings)
            ratings[row["id"]] = row["rating"]
    return ratings


def excluded(out: Path, ids: Collection[str]) -> list[str]:
    """Ids rated `exclude` in the folder `out`, sorted; none where there are no ratings.

    Raises:
        PreprocessingError: see `read_ratings`.
    """
    if not (out / NAME).is_file():
        return []
    ratings = read_ratings(out / NAME, ids)
    return sorted(name for name, rating in ratings.items() if rating == "exclude")


def _check(where: str, name: str, rating: str, ids: Collection[str], known: Collection[str]) -> None:
    if name not in ids:
        raise PreprocessingError(f"{where}: unknown scan {name!r}; none of the {len(ids)} scans has this id")
    if name in known:
        raise PreprocessingError(f"{where}: {name!r} is rated twice")
    if rating not in RATINGS:
        raise PreprocessingError(f"{where}: rating {rating!r} of {name!r}; it must be one of {', '.join(RATINGS)}")
