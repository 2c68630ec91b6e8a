"""Small files that would fill the memory or run code: refused before anything comes out of them or runs."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pickle
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from test_readers import histogram, network, source
from torch import nn

from pipeline.archives import inflated
from pipeline.errors import PipelineError
from pipeline.metrics import ScoreHistogram
from pipeline.networks.weights import load_weights
from pipeline.predict.folder import MANIFEST, verify
from pipeline.prior import load_prior

HUGE = 300 << 20


def peak_of(read: Callable[[], object], message: str) -> int:
    """Bytes of Python's memory that were taken while `read` refused."""
    tracemalloc.start()
    try:
        with pytest.raises(PipelineError, match=message):
            read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def packed(path: Path, name: str, header: bytes, level: int = zipfile.ZIP_DEFLATED) -> Path:
    """An archive with one member of 300 MB of zeros behind a header."""
    with zipfile.ZipFile(path, "a", level) as archive, archive.open(name, "w", force_zip64=True) as stream:
        stream.write(header)
        for _ in range(HUGE >> 20):
            stream.write(bytes(1 << 20))
    return path


def test_a_histogram_that_would_fill_the_memory(tmp_path: Path) -> None:
    path, head = histogram().save(tmp_path / "test.npz"), io.BytesIO()
    with zipfile.ZipFile(path) as archive:
        whole = {name: archive.read(name) for name in archive.namelist() if name != "bins.npy"}
    path.unlink()
    np.lib.format.write_array_header_1_0(head, {"descr": "<i4", "fortran_order": False, "shape": (HUGE // 4,)})
    packed(path, "bins.npy", head.getvalue())
    with zipfile.ZipFile(path, "a") as archive:
        for name, content in whole.items():
            archive.writestr(name, content)
    assert path.stat().st_size < 1 << 20
    assert peak_of(lambda: ScoreHistogram.load(path), "test.npz .*MB would come out of this small file") < 10e6


def test_a_histogram_that_promises_more_than_it_has(tmp_path: Path) -> None:
    whole, head = dict(np.load(source() / "test.npz")), io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<i4", "fortran_order": False, "shape": (10**12,)})
    del whole["bins"]
    np.savez(tmp_path / "test.npz", **whole)
    with zipfile.ZipFile(tmp_path / "test.npz", "a") as archive:
        archive.writestr("bins.npy", head.getvalue() + bytes(40))
    assert peak_of(lambda: ScoreHistogram.load(tmp_path / "test.npz"), "test.npz .*damaged") < 10e6


def test_weights_that_would_fill_the_memory(tmp_path: Path) -> None:
    path = packed(tmp_path / "model.pt", "archive/data/0", b"")
    assert path.stat().st_size < 1 << 20
    assert peak_of(lambda: load_weights(nn.Linear(3, 2), path), "compressed, which torch.save does not do") < 10e6


def test_a_prior_that_would_fill_the_memory(tmp_path: Path) -> None:
    """Its card names the file, so that its digest is right."""
    image = nib.Nifti1Image(np.zeros((128, 128, 128, 4), np.float32), np.eye(4)).to_bytes()
    for name in ("mean", "variance"):
        (tmp_path / f"{name}.nii.gz").write_bytes(gzip.compress(image, 1))
    card = json.loads((source() / "prior" / "prior.json").read_text())
    digests = {key: hashlib.sha256((tmp_path / f"{key}.nii.gz").read_bytes()).hexdigest() for key in card["sha256"]}
    (tmp_path / "prior.json").write_text(json.dumps({**card, "sha256": digests}))
    assert peak_of(lambda: load_prior(tmp_path, source()), "mean.nii.gz: more than .* bytes would come out") < 10e6
    (tmp_path / "cut.gz").write_bytes((tmp_path / "mean.nii.gz").read_bytes()[:1000])
    with pytest.raises(PipelineError, match="cut.gz: truncated"):
        inflated(tmp_path / "cut.gz", 1 << 30)


class Code:
    """What runs a command where a pickle is loaded without care."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("legacy", [False, True])
def test_weights_with_code_do_not_run_it(tmp_path: Path, legacy: bool) -> None:
    mark = tmp_path / "ran"
    state = {**network().state_dict(), "weight": Code(mark)}
    torch.save(state, tmp_path / "model.pt", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(PipelineError, match="model.pt' does not fit this network: "):
        load_weights(nn.Linear(3, 2), tmp_path / "model.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Code(mark)))
    with pytest.raises(PipelineError, match="plain.pt' does not fit this network: "):
        load_weights(nn.Linear(3, 2), tmp_path / "plain.pt")
    np.savez(tmp_path / "test.npz", **{**dict(np.load(source() / "test.npz")), "scans": np.array([Code(mark)])})
    with pytest.raises(PipelineError, match="test.npz is not a score histogram"):
        ScoreHistogram.load(tmp_path / "test.npz")
    assert not mark.exists()


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "sub/x", "link"])
def test_a_model_names_no_file_outside_its_folder(tmp_path: Path, name: str) -> None:
    facts = json.loads((source() / "model" / MANIFEST).read_text())
    model = tmp_path / "model"
    model.mkdir()
    for file in facts["files"]:
        (model / file).write_bytes((source() / "model" / file).read_bytes())
    (tmp_path / "secret").write_text("x")
    (model / "link").symlink_to(tmp_path / "secret")
    digest = hashlib.sha256(b"x").hexdigest()
    (model / MANIFEST).write_text(json.dumps({**facts, "files": {**facts["files"], name: digest}}))
    with pytest.raises(PipelineError, match="is not a plain file of the folder; the model is not used"):
        verify(model)
    (model / MANIFEST).write_text(json.dumps({**facts, "cells": {"": name}}))
    with pytest.raises(PipelineError, match="the normals '.*' are none of its files"):
        verify(model)
