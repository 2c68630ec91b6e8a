"""Figures as data URIs, so that a page is one file."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass

import matplotlib
from matplotlib.figure import Figure

from pipeline.report.plots import DARK, LIGHT, Theme

DPI = 150


@dataclass(frozen=True)
class Picture:
    """A figure of the page; `dark` is its twin for dark screens, `columns` counts the panels side by side."""

    source: str
    alt: str
    title: str = ""
    dark: str = ""
    columns: int = 0


def plot(draw: Callable[[Theme], Figure], alt: str) -> Picture:
    """A line plot as SVG, drawn for light and for dark screens."""
    return Picture(_uri(draw(LIGHT), "svg"), alt, dark=_uri(draw(DARK), "svg"))


def photo(figure: Figure, alt: str, title: str, columns: int) -> Picture:
    """A picture made of pixels, as PNG; its own dark ground suits every screen."""
    return Picture(_uri(figure, "png"), alt, title, columns=columns)


def _uri(figure: Figure, kind: str) -> str:
    """Base64 of the figure, the same for the same figure: no date, no random ids, no version."""
    media, metadata = {"svg": ("svg+xml", {"Date": None, "Creator": None}), "png": ("png", {"Software": None})}[kind]
    stream = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "lesionless"}):
        figure.savefig(stream, format=kind, dpi=DPI, metadata=metadata)
    return f"data:image/{media};base64,{base64.b64encode(stream.getvalue()).decode()}"
