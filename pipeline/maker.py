"""Who made a run: the release and the code that began it. Another's run is not gone on with."""

from __future__ import annotations

from pathlib import Path

from pipeline import ledger
from pipeline.card import release
from pipeline.documents import check_kinds, read_document
from pipeline.errors import PipelineError
from pipeline.ledger import Record
from pipeline.run_state import MARKS, RECIPE
from pipeline.source import source_digest

WAY_OUT = "Their rows cannot stand in one table: delete the folder and its status file, or choose another --out"


def made_by() -> dict[str, str]:
    """This installation: `release`, the versions of the packages, and `code`, the digest of the source."""
    return {"release": release(), "code": source_digest()}


def check_maker(folder: Path, record: Record | None) -> None:
    """Refuse to go on with what another release, or other code of this one, has begun.

    Args:
        folder: of the run. record: its status file; None: there is none, and the recipe says who made the run.

    Raises:
        PipelineError: another release or other code, with both named.
    """
    maker, here = _maker(folder, record), made_by()
    if maker is None:
        return
    if maker.get("release", here["release"]) != here["release"]:
        raise PipelineError(
            f"'{folder}' is of another release: {maker['release']}; this is {here['release']}. {WAY_OUT}"
        )
    if maker.get("code") != here["code"]:
        raise PipelineError(
            f"'{folder}' is of other code of this release: {maker.get('code', 'not written down')}; this is "
            f"{here['code']}. {WAY_OUT}, or go on with that code"
        )


def _maker(folder: Path, record: Record | None) -> Record | None:
    """What says whose a run is: its status file or, where that is lost, its recipe; None where nothing is begun."""
    if record is not None and record["state"] != ledger.WAITING:
        return record
    if not (folder / MARKS).is_file():
        return None
    path = folder / RECIPE
    found: Record = read_document(path) if path.is_file() else {}
    check_kinds(found, {"code?": str, "release?": str}, str(path))
    return found
