"""What every page shares: one file that opens from disk, loads nothing, and escapes what it shows."""

from __future__ import annotations

from pipeline.pages.levels import reached
from pipeline.pages.render import number, packed, render

__all__ = ["number", "packed", "reached", "render"]
