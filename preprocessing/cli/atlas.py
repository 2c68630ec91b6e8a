"""`atlas`: fetch or check the atlas."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def atlas(path: Annotated[Path | None, typer.Option("--atlas", help="folder of the atlas")] = None) -> None:
    """Fetch the SRI-24 atlas into the user's cache, or check the one given."""
    from preprocessing.space.atlas import ensure_atlas

    Console().print(str(ensure_atlas(path).folder), soft_wrap=True)
