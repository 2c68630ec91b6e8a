"""`qc.html`: a page for the cohort that opens from disk, with every scan's strip and checks, and a 3-D viewer.

The volumes of the viewer lie beside it in `qc/`, a script a scan, and are read when a scan is opened: browsers read no
other kind of file of a page that was opened from disk.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import nibabel as nib
import numpy as np

from preprocessing.cohort import ledger
from preprocessing.cohort.ledger import Record
from preprocessing.cohort.ratings import NAME, RATINGS, read_ratings
from preprocessing.cohort.request import load_request
from preprocessing.config import resolve
from preprocessing.errors import PreprocessingError
from preprocessing.io.files import read_json, write_bytes
from preprocessing.qc import strip
from preprocessing.qc.checks import Check, Limit, assess, measured, read_limits, worst_first
from preprocessing.qc.head import strided
from preprocessing.qc.viewer import niivue
from preprocessing.space.grid import Volume, load_grid

PAGE, BESIDE = "qc.html", "qc"
STRIDE = 2  # atlas voxels between those of the viewer
# What of a scan is shown: part of the name of its file below `anat`.
FILES = {"image": "_desc-preproc_", "brain": "_desc-brain_mask", "lesion": "_label-lesion_mask", "head": "_desc-head_"}


@dataclass(frozen=True)
class Report:
    """The page that `report` wrote, and how many of its scans failed, broke a limit, and did neither."""

    page: Path
    failed: int
    warned: int
    passed: int


@dataclass(frozen=True)
class Card:
    """A scan that could be read: what it measured, its pictures, and the name and roles of its volumes in `qc/`."""

    id: str
    values: dict[str, float]
    photo: str
    lines: str
    volumes: str
    roles: list[str]


def report(out: Path) -> Report:
    """Write `out`/qc.html and `out`/qc; every value that came from a file is escaped, nothing is loaded from elsewhere.

    Args:
        out: prepared data set, whose configuration has the limits under `qc`; its ratings, if there are any, are on
            the page.

    Raises:
        PreprocessingError: nothing was prepared there, a limit or rating breaks its rule, or NiiVue is missing.
    """
    cohort = load_request(out)
    resolved, _ = resolve(cohort.config, cohort.atlas)
    records = list(ledger.records(out))
    limits, frame = read_limits(resolved["qc"]), strip.Frame(load_grid(Path(resolved["atlas"]["mask"])))
    ratings = read_ratings(out / NAME, {record["id"] for record in records}) if (out / NAME).is_file() else {}
    cards, failures = _cards(out, records, frame)
    rows = assess([card.values for card in cards], limits)
    ranked = sorted(zip(cards, rows, strict=True), key=lambda pair: (worst_first(pair[1]), pair[0].id))
    warned = sum(any(not check.passes for check in row) for row in rows)
    content = {
        **_cohort(out),
        "edges": strip.edges(frame.cut(load_grid(Path(resolved["atlas"]["brain"])), order=1)),
        "failures": failures,
        "limits": [_column(limit, rows, place) for place, limit in enumerate(limits)],
        "ranked": ranked,
        "ratings": ratings,
        "warned": warned,
    }
    write_bytes(out / PAGE, _render(content).encode())
    _tidy(out / BESIDE, {card.volumes for card in cards})
    return Report(out / PAGE, len(failures), warned, len(cards) - warned)


def _cards(out: Path, records: Sequence[Record], frame: strip.Frame) -> tuple[list[Card], list[dict[str, str]]]:
    """What there is of each scan; id and reason of those that failed or lost a file."""
    cards, failures = [], []
    for record in records:
        try:
            cards.append(_card(out, record, frame))
        except PreprocessingError as error:
            failures.append({"id": record["id"], "reason": str(error)})
    return cards, failures


def _card(out: Path, record: Record, frame: strip.Frame) -> Card:
    if record["state"] == "failed":
        raise PreprocessingError(record["reason"])
    paths = [name for name in record["outputs"] if name.endswith(".nii.gz")]
    found = {role: name for role, part in FILES.items() for name in paths if part in name}
    volumes = {role: _volume(out / name) for role, name in found.items()}
    image, brain = volumes["image"], volumes["brain"]
    ground = volumes.get("head") or Volume(image.array * 255, image.affine)
    masks = [(frame.cut(brain, order=0) > 0, strip.BRAIN)]
    if "lesion" in volumes:
        masks.append((frame.cut(volumes["lesion"], order=0) > 0, strip.LESION))
    scaled = Volume(np.clip(np.nan_to_num(image.array), 0, 1) * 255, image.affine)
    shown = {role: strided(volume, STRIDE) for role, volume in {**volumes, "prepared": scaled}.items()}
    shown |= {"head": ground} if "head" in volumes else {}
    del shown["image"]
    return Card(
        record["id"],
        measured(record["checks"], image.array),
        strip.photo(frame.cut(ground, order=1)),
        strip.outlines(masks),
        _beside(out / BESIDE, record["id"], shown),
        list(shown),
    )


def _beside(folder: Path, scan: str, volumes: Mapping[str, Volume]) -> str:
    """Write the volumes of a scan (role → base64 of NIfTI, gzip) as the script `<name>.js`; its name."""
    name = hashlib.sha256(scan.encode()).hexdigest()[:16]
    content = json.dumps({role: packed(volume) for role, volume in volumes.items()})
    write_bytes(folder / f"{name}.js", f'received("{name}", {content});\n'.encode())
    return name


def _tidy(folder: Path, names: Collection[str]) -> None:
    """Remove the volumes of scans that are no longer there."""
    for path in folder.glob("*.js"):
        if path.stem not in names:
            path.unlink()


def _volume(path: Path) -> Volume:
    """A prepared file as it is, also with voxels that are no numbers: a check counts them."""
    try:
        file: Any = nib.load(path)
        return Volume(np.asarray(file.dataobj, dtype=np.float32), file.affine)
    except Exception as error:  # nibabel, zlib and gzip each raise their own kinds
        raise PreprocessingError(f"{path}: unreadable ({type(error).__name__}); run the preparation again") from error


def packed(volume: Volume) -> str:
    """Base64 of a gzip-compressed NIfTI of 8 bits; the same for the same volume."""
    image = nib.Nifti1Image(np.rint(volume.array).astype(np.uint8), volume.affine)
    return base64.b64encode(gzip.compress(image.to_bytes(), compresslevel=9, mtime=0)).decode()


def _cohort(out: Path) -> dict[str, Any]:
    """What `dataset.json` says; a data set without one has no usable scan yet."""
    manifest = read_json(out / "dataset.json") or {}
    keys = {"name": out.resolve().name, "simulated": False, "modality": "", "hash": ""}
    return {key: manifest.get(key, default) for key, default in keys.items()}


def _column(limit: Limit, rows: Sequence[Sequence[Check]], place: int) -> dict[str, Any]:
    values = [value for row in rows if (value := row[place].value) is not None]
    outside = sum(not row[place].passes for row in rows)
    return {"limit": limit, "median": float(np.median(values)) if values else None, "outside": outside}


def _render(content: dict[str, Any]) -> str:
    folder = resources.files("preprocessing.qc")
    style, script = (folder.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["number"] = lambda value: "not recorded" if value is None else f"{value:.4g}"
    template = environment.from_string(folder.joinpath("page.html").read_text(encoding="utf-8"))
    return template.render(
        **content,
        ratings_file=NAME,
        words=RATINGS,
        style=style,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        niivue=base64.b64encode(gzip.compress(niivue().encode(), compresslevel=9, mtime=0)).decode(),
    )
