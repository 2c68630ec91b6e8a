"""The tables of the papers with what was measured here beside what was published."""

from __future__ import annotations

from pipeline.papers.document import fill
from pipeline.papers.ranking import ranking
from pipeline.papers.write import write_tables

__all__ = ["fill", "ranking", "write_tables"]
