"""Tables: whoever wrote them, each row is the scan that it names, or the table is refused by its name."""

from __future__ import annotations

import codecs
import csv
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from outcome import same, taken

from preprocessing.cohort.ratings import read_ratings
from preprocessing.dataset.splits import read_split
from preprocessing.datasets import bids, physionet_ich, table
from preprocessing.scan import Scan

IMAGES = ("a.nii.gz", "b c.nii.gz", "d,e;f.nii.gz", "ü.nii.gz", "=1+1.nii.gz", '"q".nii', "sub/g.nii")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1")
HEALTHY = {"yes": True, "TRUE": True, "1": True, "1.0": True, "no": False, "False": False, "0": False, "unknown": False}
MODALITIES = {"FLAIR": "FLAIR", "flair": "FLAIR", "T1w": "T1", "T2": "T2", "ct": "CT"}


@st.composite
def tables(draw: st.DrawFn) -> tuple[bytes, list[dict[str, str]]]:
    """A table as spreadsheets, data frames and people write it, and its rows."""
    count = draw(st.integers(1, 5))
    names = draw(st.lists(st.sampled_from(IMAGES), min_size=count, max_size=count))
    rows = [
        {"id": f"P{k:02d}", "image": name, "healthy": draw(st.sampled_from(sorted(HEALTHY))),
         "modality": draw(st.sampled_from(sorted(MODALITIES)))}
        for k, name in enumerate(names)
    ]  # fmt: skip
    for row in rows:
        if not HEALTHY[row["healthy"]] and row["healthy"] != "unknown":
            row["lesion"] = "a.nii.gz"
    columns = draw(st.permutations(["id", "image", "healthy", "modality", "lesion"]))
    head = [draw(st.sampled_from([str.lower, str.upper, str.title]))(name) for name in columns]
    index = draw(st.booleans())
    stream = io.StringIO()
    end = draw(st.sampled_from(["\n", "\r\n"]))
    writer = csv.writer(stream, delimiter=draw(st.sampled_from(",;\t")), lineterminator=end)
    writer.writerow([""] * index + head)
    for place, row in enumerate(rows):
        pad = draw(st.sampled_from(["", " "]))
        writer.writerow([place] * index + [pad + row.get(name, "") for name in columns])
        if draw(st.booleans()):
            writer.writerow([""] * (len(columns) + index))
    return stream.getvalue().encode(draw(st.sampled_from(ENCODINGS))), rows


def filled(folder: Path) -> None:
    (folder / "sub").mkdir()
    for name in IMAGES:
        (folder / name).touch()


@given(tables())
def test_each_row_is_the_scan_that_it_names(written: tuple[bytes, list[dict[str, str]]]) -> None:
    content, rows = written
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        filled(folder)
        (folder / "scans.csv").write_bytes(content)
        scans = taken(lambda: table.find_scans(folder), "scans.csv")
    same(scans is not None, f"an ordinary table is refused: {content!r}")
    same(len(scans or []) == len(rows), "rows were lost")
    for scan, row in zip(scans or [], rows, strict=True):
        found = (scan.id, scan.image, scan.healthy, scan.modality, scan.lesion is not None)
        wanted = (f"sub-{row['id']}", folder / row["image"], HEALTHY[row["healthy"]], MODALITIES[row["modality"]])
        same(found == (*wanted, "lesion" in row), f"{found} of {row}")


CELLS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs",)) | st.sampled_from(',;\t"\n\r=@-+./\\\0'), max_size=12
)
WORDS = ["id", "image", "healthy", "subject", "split", "rating", "participant_id", "group", ",", "\n", "P1", "sub-1",
         "a.nii.gz", "../x", "yes", "train", "good", "0", '"', ";", "\t", "PatientNumber", "No_Hemorrhage",
         "/etc/passwd", "%s"]  # fmt: skip
NOISE = st.one_of(
    st.binary(max_size=200),
    st.lists(st.lists(CELLS, max_size=6).map(",".join), max_size=5).map("\n".join).map(str.encode),
    st.lists(st.sampled_from(WORDS), max_size=30).map("".join).map(str.encode),
    st.tuples(st.sampled_from([codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF32_LE, codecs.BOM_UTF16_BE]),
              st.binary(max_size=60)).map(b"".join),
)  # fmt: skip


def _bids(path: Path) -> Any:
    (path.parent / "sub-1" / "anat").mkdir(parents=True)
    (path.parent / "sub-1" / "anat" / "sub-1_FLAIR.nii.gz").touch()
    return bids.find_scans(path.parent)


def _physionet(path: Path) -> Any:
    (path.parent / "ct_scans").mkdir()
    (path.parent / "ct_scans" / "049.nii").touch()
    return physionet_ich.find_scans(path.parent)


SCANS = [Scan("sub-1", "sub-1", "FLAIR", Path("a.nii"), healthy=True)]
READERS: dict[str, Callable[[Path], Any]] = {
    "scans.csv": lambda path: table.find_scans(path.parent),
    "split.csv": lambda path: read_split(path, SCANS),
    "qc_ratings.tsv": lambda path: read_ratings(path, ["sub-1"]),
    "participants.tsv": _bids,
    physionet_ich.DIAGNOSIS: _physionet,
}


@given(st.sampled_from(sorted(READERS)), NOISE)
def test_any_bytes_in_any_table(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        found = taken(lambda: READERS[name](path), name)
        for scan in found if found and name == "scans.csv" else ():
            same(scan.image.resolve().is_relative_to(path.parent.resolve()), f"{scan.image} is outside")
