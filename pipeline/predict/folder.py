"""A model is one folder: what is in it is listed with its SHA-256, and nothing else of it is read."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.documents import check_kinds, read_document
from pipeline.errors import PipelineError

FORMAT = {"format": "lesionless-model", "version": 1}
MANIFEST = "model.json"
MODELS = "models"  # where an exported bundle keeps its model
KINDS = {"files": {str: str}, "cells": {str: str}, "title": str, "method": str, "threshold": str, "modality": str}


def seal(out: Path, fill: Callable[[Path], dict[str, Any]]) -> Path:
    """Write the model folder `out`: `fill` puts the files into an empty folder, which becomes `out` when all are there.

    Args:
        out: the folder; an older model there is replaced, anything else is refused.
        fill: writes files, in no sub-folder, and returns what the manifest says of the model.

    Raises:
        PipelineError: `out` is there and is not a model.
    """
    if out.exists() and not (out / MANIFEST).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise PipelineError(f"'{out}' is there and is not a model: choose another folder")
    draft = out.with_name(f".{out.name}.{os.getpid()}.part")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir(parents=True)
        facts = fill(draft)
        files = {path.name: sha256(path) for path in sorted(draft.iterdir())}
        text = json.dumps({**FORMAT, **facts, "files": files}, indent=1, ensure_ascii=False)
        (draft / MANIFEST).write_text(text + "\n", "utf-8")
        shutil.rmtree(out, ignore_errors=True)
        draft.replace(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return out


def verify(folder: Path) -> tuple[dict[str, Any], str]:
    """The manifest of the model in `folder`, and the SHA-256 of that manifest, which names the model.

    Raises:
        PipelineError: no model, another format, or a file that is missing or not the one that was packed.
    """
    path = folder / MANIFEST
    if not path.is_file():
        way_out = f"`lesionless pack RUN --out {folder}`"
        if (folder / MODELS / MANIFEST).is_file():
            way_out = f"this is an exported bundle, whose model is '{folder / MODELS}'"
        raise PipelineError(f"no model in '{folder}': {MANIFEST} is missing; {way_out}")
    facts = read_document(path)
    found = (facts.get("format"), facts.get("version")) if isinstance(facts, dict) else None
    if found != tuple(FORMAT.values()):
        raise PipelineError(f"{path} has format and version {found}; this release reads {tuple(FORMAT.values())}")
    check_kinds(facts, KINDS, str(path))
    for name, digest in facts["files"].items():
        _check(folder, name, digest)
    for name in (f"{name}{end}" for name in facts["cells"].values() for end in (".npz", ".json")):
        if name not in facts["files"]:
            raise PipelineError(f"{path}: the normals '{name}' are none of its files")
    return facts, sha256(path)


def _check(folder: Path, name: str, digest: str) -> None:
    path = folder / name
    if Path(name).name != name or path.is_symlink():
        raise PipelineError(f"'{folder}': its file '{name}' is not a plain file of the folder; the model is not used")
    if not path.is_file():
        raise PipelineError(f"'{path}' is missing; copy the model again")
    if sha256(path) != digest:
        raise PipelineError(f"'{path}' is not the file that was packed (SHA-256 differs); copy the model again")


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
