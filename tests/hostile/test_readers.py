"""Documents, histograms and weights of others: read as they are, or refused; never code, never another file."""

from __future__ import annotations

import copy
import io
import json
import shutil
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from outcome import same, taken
from tiny_dataset import write_tiny_dataset
from tiny_prior import name_maps, write_tiny_prior
from torch import nn

from pipeline.data import SliceDataset, load_manifest
from pipeline.metrics import ScoreHistogram, fixed, load_thresholds, save_thresholds
from pipeline.metrics.scan_counts import NAMES as HELD
from pipeline.networks.weights import load_weights, save_weights
from pipeline.predict.folder import seal, verify
from pipeline.prior import load_prior
from pipeline.run_state import MARKS, stages_done
from pipeline.tuning import Tuning

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 40) | st.floats() | st.text(max_size=5)
    | st.sampled_from(["../../etc/passwd", "/etc/passwd", "slices/train_image.npy", "", "FLAIR", 10**30]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip


@lru_cache
def source() -> Path:
    """A small data set with a prior, its thresholds, a histogram, weights, choices and a model folder."""
    root = write_tiny_dataset(Path(tempfile.mkdtemp(prefix="lesionless-hostile-")) / "data", size=8, slices=2)
    shutil.rmtree(root / "prior")
    write_tiny_prior(root / "prior", 8, 12)
    histogram().save(root / "test.npz")
    save_thresholds(root / "thresholds.json", [fixed(0.5), fixed(0.25)])
    save_weights(network(), root / "model.pt")
    (root / "choices.json").write_text(json.dumps({"chosen": {"sigma": 1.0}, "criterion": "AP", "tried": []}))
    (root / MARKS).write_text(json.dumps({"made_of": {"a": 1}, "stages": ["train"]}))

    def fill(folder: Path) -> dict[str, Any]:
        for name in ("normals.npz", "normals.json"):
            (folder / name).write_bytes(b"0")
        return {"cells": {"": "normals"}, "title": "T", "method": "ae", "threshold": "p95", "modality": "FLAIR"}

    seal(root / "model", fill)
    return root


def histogram() -> ScoreHistogram:
    counts, rng = ScoreHistogram(bits=10), np.random.default_rng(0)
    for scan in ("sub-1", "sub-2"):
        scores = torch.from_numpy(rng.random((1, 1, 6, 6), np.float32))
        counts.update(scores, scores > 0.8, None, [scan], 0.5)
    return counts


def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(3, 2)


def places(document: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the values of a document stand."""
    keys = document if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else ()
    return [here, *(place for key in keys for place in places(document[key], (*here, key)))]


@st.composite
def changes(draw: st.DrawFn, name: str) -> bytes:
    """The bytes of a document of `source` after somebody changed some of its values, or damaged the file."""
    content = (source() / name).read_bytes()
    if draw(st.integers(0, 5)) == 0:
        cut = draw(st.integers(0, len(content)))
        return content[:cut] + draw(st.binary(max_size=5) | st.just(b"[" * 100_000))
    document = json.loads(content)
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from(places(document)[1:] or [("",)]))
        owner = document
        for key in parents:
            owner = owner[key]
        if draw(st.booleans()) or not isinstance(owner, dict):
            owner[last] = copy.deepcopy(draw(JSON))
        else:
            owner.pop(last, None)
    return json.dumps(document).encode()


def in_copy(name: str, content: bytes, read: Callable[[Path], Any], *named: str) -> Any:
    """What `read` gives of `source` with one file of other content, or None where it refuses."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "data"
        shutil.copytree(source(), root)
        (root / name).write_bytes(content)
        if name.startswith("prior"):
            card = (root / "prior" / "prior.json").read_bytes()
            if name.endswith(".gz"):
                name_maps(root / "prior")
            same(name.endswith(".gz") or card == content, "the card was not changed")
        return taken(lambda: read(root), *named)


def opened(root: Path) -> list[tuple[dict[str, Any], np.ndarray, dict[str, Any]]]:
    manifest = load_manifest(root)
    found = []
    for split in manifest["splits"]:
        data = SliceDataset(root, split)
        same(len(data) == len(data.z) == sum(item["rows"][1] - item["rows"][0] for item in data.items), "rows")
        for item in data.items:
            row = item["rows"][0]
            stored = np.load(root / manifest["splits"][split]["image"])[row]
            same(data[row]["scan"] == item["id"], f"row {row} is of {item['id']}")
            image = data[row]["image"][0].numpy()
            same(np.array_equal(image, stored.astype(np.float32), equal_nan=True), "another slice")
    return found


@given(changes("dataset.json"))
def test_manifest(content: bytes) -> None:
    in_copy("dataset.json", content, opened)


@given(changes("prior/prior.json"))
def test_prior(content: bytes) -> None:
    in_copy("prior/prior.json", content, lambda root: load_prior(root / "prior", root))


@given(changes("thresholds.json"))
def test_thresholds(content: bytes) -> None:
    name = "thresholds.json"
    rules = in_copy(name, content, lambda root: load_thresholds(root / name), name)
    for rule in rules or []:
        same(isinstance(rule.rule, str) and np.isfinite(rule.value), f"{rule}")


@given(changes("choices.json"))
def test_choices(content: bytes) -> None:
    def read(root: Path) -> Any:
        return Tuning(str(root / "choices.json"), {"sigma": [0.5, 1.0]})._read()

    chosen = in_copy("choices.json", content, read, "choices.json")
    same(chosen is None or chosen["sigma"] in (0.5, 1.0), f"{chosen}")


@given(changes(MARKS))
def test_stages(content: bytes) -> None:
    stages = in_copy(MARKS, content, lambda root: stages_done(root, {"a": 1}))
    same(stages is None or all(isinstance(stage, str) for stage in stages), f"{stages}")


@given(changes("model/model.json"))
def test_model_folder(content: bytes) -> None:
    found = in_copy("model/model.json", content, lambda root: verify(root / "model"))
    for name in found[0]["files"] if found else ():
        same("/" not in name and ".." not in name, f"{name} is outside")


NAMES = st.sampled_from([name for name in HELD if name != "format"])
ARRAYS = st.sampled_from(
    [np.zeros(0), np.zeros(3, np.int64), np.array("x"), np.array([["a"]]), np.array(5), np.full(72, -1), np.arange(72),
     np.array([None], object), np.array([np.nan, 1]), np.array(["sub-1", "sub-1"]), np.array([2**40, -(2**40)])]
)  # fmt: skip
BYTES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=4)


def damaged(content: bytes, changed: list[tuple[int, int]], cut: int) -> bytes:
    """Some bytes replaced, and the end cut off."""
    result = bytearray(content)
    for place, value in changed:
        result[place % len(result)] = value
    return bytes(result[: len(result) - cut])


@given(st.dictionaries(NAMES, ARRAYS, min_size=1, max_size=3), BYTES, st.sampled_from([0, 0, 9]))
def test_histogram_of_other_arrays(arrays: dict[str, np.ndarray], changed: list[tuple[int, int]], cut: int) -> None:
    whole = dict(np.load(source() / "test.npz"))
    stream = io.BytesIO()
    np.savez(stream, **{**whole, **arrays})
    content = damaged(stream.getvalue(), changed, cut)
    read = in_copy("test.npz", content, lambda root: ScoreHistogram.load(root / "test.npz"), "test.npz")
    if read is not None and read.scans:
        pooled = taken(read.pooled)
        same(pooled is None or min(pooled.n_positive, pooled.n_negative) >= 0, "negative counts")


@given(BYTES, st.sampled_from([0, 0, 0, 1, 100]))
def test_damaged_histogram(changed: list[tuple[int, int]], cut: int) -> None:
    content = damaged((source() / "test.npz").read_bytes(), changed, cut)
    read = in_copy("test.npz", content, lambda root: ScoreHistogram.load(root / "test.npz"), "test.npz")
    same(read is None or read.digest() == histogram().digest(), "other counts")


@given(BYTES, st.sampled_from([0, 0, 0, 1, 100]))
def test_damaged_weights(changed: list[tuple[int, int]], cut: int) -> None:
    content = damaged((source() / "model.pt").read_bytes(), changed, cut)
    read = in_copy("model.pt", content, lambda root: load_weights(nn.Linear(3, 2), root / "model.pt"), "model.pt")
    state = network().state_dict()
    same(read is None or all(torch.equal(read.state_dict()[key], state[key]) for key in state), "other weights")


@given(BYTES, st.sampled_from([0, 0, 0, 1, 100]))
def test_damaged_prior(changed: list[tuple[int, int]], cut: int) -> None:
    content = damaged((source() / "prior" / "mean.nii.gz").read_bytes(), changed, cut)
    read = in_copy("prior/mean.nii.gz", content, lambda root: load_prior(root / "prior", root), "")
    same(read is None or bool(torch.isfinite(read.mean).all()), "no numbers")
