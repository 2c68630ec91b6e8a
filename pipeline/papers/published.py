"""What the papers published: package data, small tables of numbers with the page that they are taken from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

from pipeline.errors import check_choice

FOLDER = Path(__file__).parent / "published"


@dataclass(frozen=True)
class PaperTable:
    """A table of a paper.

    Args:
        number: in the paper.
        title: what it shows.
        page: where it stands; empty where the source has no pages.
        needs: what the protocol card of runs must say for them to stand in it, by key.
        figures: column of `metrics.csv` → heading.
        values: rows `data`, `method`, `label`, `figure`, `value`, `sd`.
    """

    number: int
    title: str
    page: str
    needs: dict[str, str]
    figures: dict[str, str]
    values: pd.DataFrame


@dataclass(frozen=True)
class Paper:
    """A paper: where it appeared, how it measured, and its tables."""

    name: str
    source: str
    protocol: str
    tables: list[PaperTable]


def available_papers() -> list[str]:
    """Names of the papers whose tables are known."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_paper(name: str) -> Paper:
    """A paper by its name.

    Raises:
        PipelineError: there is none; the message lists the choices.
    """
    check_choice("paper", name, available_papers())
    facts = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    values = (
        pd.read_csv(FOLDER / f"{name}.csv", keep_default_na=False).replace({"sd": {"": "nan"}}).astype({"sd": float})
    )
    tables = [
        PaperTable(
            number, of["title"], str(of.get("page", "")), of["needs"], of["figures"], values[values["table"] == number]
        )
        for number, of in facts["tables"].items()
    ]
    return Paper(name, facts["source"], facts["protocol"], tables)
