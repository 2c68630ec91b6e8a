"""The ratings table: read as the page writes it, refused where a name or a word is unknown."""

from __future__ import annotations

from pathlib import Path

import pytest

from preprocessing.cohort.ratings import excluded, read_ratings
from preprocessing.errors import PreprocessingError

IDS = {"sub-a", "sub-b", "sub-c"}


def write(folder: Path, text: str) -> Path:
    path = folder / "qc_ratings.tsv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_ratings_are_read_also_from_a_spreadsheet(tmp_path: Path, mark: str) -> None:
    path = write(tmp_path, f"{mark}id\trating\nsub-a\tgood\nsub-c\texclude\nsub-b\texclude\n")
    assert read_ratings(path, IDS) == {"sub-a": "good", "sub-b": "exclude", "sub-c": "exclude"}
    assert excluded(tmp_path, IDS) == ["sub-b", "sub-c"]


def test_no_ratings_exclude_nothing(tmp_path: Path) -> None:
    assert excluded(tmp_path, IDS) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id\trating\nsub-x\tgood\n", "line 2: unknown scan 'sub-x'; none of the 3 scans has this id"),
        ("id\trating\nsub-a\tbad\n", "line 2: rating 'bad' of 'sub-a'; it must be one of good, doubtful, exclude"),
        ("id\trating\nsub-a\n", "line 2: rating '' of 'sub-a'"),
        ("id\trating\nsub-a\tgood\nsub-a\tgood\n", "line 3: 'sub-a' is rated twice"),
        ("id,rating\nsub-a,good\n", r"columns \['id,rating'\]; needed: id, rating"),
        ("", r"columns None; needed: id, rating"),
    ],
)
def test_what_is_not_a_rating_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PreprocessingError, match=message):
        read_ratings(write(tmp_path, text), IDS)
