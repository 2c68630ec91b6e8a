"""Names of files: an image has the mask that shares its entities, and a name decides nothing but the id."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from outcome import same, taken

from lesionless.prediction.sources import find_sources
from preprocessing.datasets import bids

ENTITIES = {"acq": ["a", "FLAIR", "T1w"], "ce": ["gad"], "rec": ["norm"], "run": ["1", "2"], "part": ["mag", "phase"]}
SUFFIXES = ("FLAIR", "T1w")
ID = re.compile(r"sub-[A-Za-z0-9]+(_ses-[A-Za-z0-9]+)?")


@st.composite
def entities(draw: st.DrawFn) -> str:
    chosen = draw(st.lists(st.sampled_from(sorted(ENTITIES)), unique=True, max_size=2).map(sorted))
    return "".join(f"_{key}-{draw(st.sampled_from(ENTITIES[key]))}" for key in chosen)


@st.composite
def image_names(draw: st.DrawFn) -> str:
    session = draw(st.sampled_from(["", "_ses-1", "_ses-2"]))
    return f"sub-{draw(st.integers(1, 2))}{session}{draw(entities())}_{draw(st.sampled_from(SUFFIXES))}"


@st.composite
def mask_names(draw: st.DrawFn) -> str:
    session = draw(st.sampled_from(["", "_ses-1", "_ses-2"]))
    suffix = draw(st.sampled_from(["", "", *(f"_{suffix}" for suffix in SUFFIXES)]))
    end = draw(st.sampled_from(["_label-lesion_mask", "_label-lesion_roi", "_space-MNI_label-lesion_mask", "_mask"]))
    return f"sub-{draw(st.integers(1, 2))}{session}{draw(entities())}{suffix}{end}"


def parts(name: str) -> dict[str, str]:
    """Entities of a name, and its suffix, split by hand."""
    *pairs, suffix = name.split(".")[0].split("_")
    return {**dict(pair.split("-", 1) for pair in pairs if "-" in pair), "suffix": suffix}


def place(root: Path, name: str) -> Path:
    said = parts(name)
    folders = [f"sub-{said['sub']}", *([f"ses-{said['ses']}"] if "ses" in said else []), "anat"]
    path = root.joinpath(*folders, f"{name}.nii.gz")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@given(
    st.lists(image_names(), min_size=1, max_size=5, unique=True),
    st.lists(mask_names(), max_size=4, unique=True),
    st.dictionaries(st.sampled_from(["sub-1", "1", "sub-2", "2", "sub-9"]), st.sampled_from(["control", "MS", ""])),
    st.binary(max_size=40) | st.sampled_from([b'{"SkullStripped": true}', b"[" * 5000, b'{"a": "\xb0"}', b"null"]),
)
def test_a_mask_belongs_to_the_image_that_it_names(
    images: list[str], masks: list[str], people: dict[str, str], sidecar: bytes
) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "data"
        first = [place(root, image) for image in images][0]
        first.with_name(first.name.split(".")[0] + ".json").write_bytes(sidecar)
        for mask in masks:
            place(root / "derivatives" / "manual", mask)
        rows = "".join(f"{person}\t{group}\n" for person, group in people.items())
        (root / "participants.tsv").write_text("participant_id\tgroup\n" + rows)
        scans = taken(lambda: bids.find_scans(root))
        if scans is not None:
            list(bids.findings(root, scans))
    for scan in scans or []:
        image = parts(scan.image.name)
        same("ce" not in image and image.get("part", "mag") == "mag", f"{scan.image.name} was read")
        groups = {people[key] for key in (scan.subject, scan.subject.removeprefix("sub-")) if key in people}
        same(scan.healthy == ("control" in groups), f"{scan.subject} of {groups}")
        if scan.lesion is None:
            continue
        mask = parts(scan.lesion.name)
        same(mask.get("label") == "lesion" and "space" not in mask, f"{scan.lesion.name} is a lesion mask")
        for key in ("sub", "ses", "rec", "run", "part", "ce"):
            same(key not in mask or mask[key] == image.get(key), f"{scan.lesion.name} for {scan.image.name}")
        same(image.get("ses") == mask.get("ses"), f"{scan.lesion.name} for {scan.image.name}")
        if "acq" in mask and mask["acq"] != image.get("acq"):
            same("acq" not in image and mask["acq"] == image["suffix"], f"{scan.lesion.name} for {scan.image.name}")
        named = {part for part in SUFFIXES if f"_{part}_" in scan.lesion.name}
        same(not named or image["suffix"] in named, f"{scan.lesion.name} for {scan.image.name}")


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=40) | st.text(
    st.sampled_from("sub-ses_1T2FLAIRw.#$@%= <>&'\"äß漢"), min_size=1, max_size=30
)


@given(NAMES, st.sampled_from([".nii.gz", ".nii", "", ".NII"]), st.booleans())
def test_a_name_makes_an_id_or_is_refused(stem: str, ending: str, flair_like: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / (stem + ending)
        if path.name in (".", "..") or path.name != stem + ending:
            return
        path.touch()
        sources = taken(lambda: find_sources([path], "FLAIR", flair_like))
    for source in sources or []:
        same(bool(ID.fullmatch(source.scan.id)), f"the id {source.scan.id!r}")
        same(source.scan.image == path and not source.scan.labelled, "another file, or a label that nobody gave")
