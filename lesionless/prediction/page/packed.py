"""Volumes and scripts as text of a page."""

from __future__ import annotations

import base64
import gzip
import hashlib
from importlib import resources
from typing import Any

import jinja2
import nibabel as nib
import numpy as np
from numpy.typing import NDArray

MARGIN_MM = 20.0


def packed(data: bytes) -> str:
    """Base64 of gzip; the same for the same bytes."""
    return base64.b64encode(gzip.compress(data, compresslevel=6, mtime=0)).decode()


def volume(array: NDArray[np.uint8], affine: NDArray[np.float64]) -> str:
    """A NIfTI volume of 8 bits as text."""
    return packed(nib.Nifti1Image(array, affine).to_bytes())


def grey(image: NDArray) -> NDArray[np.uint8]:
    """An image in 8 bits: 0 to its percentile 99.5."""
    low, high = np.percentile(image, (0.5, 99.5))
    return np.clip((image - low) * (255 / max(float(high - low), 1e-12)), 0, 255).astype(np.uint8)


def around(inside: NDArray[np.bool_], affine: NDArray[np.float64]) -> tuple[tuple[slice, ...], NDArray[np.float64]]:
    """The box around what is `inside` with a margin, and its affine: no more of a head than is needed is shown."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    box = []
    for axis in range(3):
        ends = np.flatnonzero(inside.any(axis=tuple(other for other in range(3) if other != axis)))
        margin = int(MARGIN_MM / spacing[axis])
        low, high = (int(ends[0]), int(ends[-1])) if len(ends) else (0, inside.shape[axis] - 1)
        box.append(slice(max(low - margin, 0), min(high + margin + 1, inside.shape[axis])))
    shift = np.eye(4)
    shift[:3, 3] = [side.start for side in box]
    return tuple(box), affine @ shift


def render(name: str, **content: Any) -> str:
    """The page of the template `name`, whose values are escaped; its style and script are inside."""
    folder = resources.files(__package__)
    texts = {kind: folder.joinpath(f"{name}.{kind}").read_text("utf-8") for kind in ("html", "js")}
    style = folder.joinpath("page.css").read_text("utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["number"] = number
    digest = base64.b64encode(hashlib.sha256(texts["js"].encode()).digest()).decode()
    template = environment.from_string(texts["html"])
    return template.render(**content, style=style, script=texts["js"], script_hash=digest)


def number(value: Any) -> str:
    """Four digits, or a dash."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, (int, float)) else "–" if value is None else str(value)
