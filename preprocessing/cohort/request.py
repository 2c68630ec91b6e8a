"""What was asked of a data set: its scans, configuration and options, remembered in its folder for `rerun`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from preprocessing.cohort.scan_request import FOLDER, ScanRequest, status_file
from preprocessing.config import Config, load_config
from preprocessing.errors import PreprocessingError
from preprocessing.io.files import read_json, write_json
from preprocessing.moved import with_new_names
from preprocessing.scan import Scan, check_scans

NAME = "run.json"
_FOLDERS = ("atlas", "reuse")
_PATHS = frozenset(field.name for field in fields(Scan) if "Path" in str(field.type))


@dataclass(frozen=True)
class CohortRequest:
    """Everything that `run` is told but the folder of the data set.

    Args:
        name: of the data set, in the manifest.
        scans: with absolute paths.
        config_name: of the configuration, in the manifest.
        config: the configuration with the options laid over it, without the paths of the atlas.
        atlas: folder of the atlas; None: the one in the user's cache.
        executor: `processes` or `dask://HOST:PORT`.
        workers: processes.
        reuse: another prepared data set, whose brain masks and registrations are used again where they fit.
    """

    name: str
    scans: tuple[Scan, ...]
    config_name: str
    config: Config
    atlas: Path | None = None
    executor: str = "processes"
    workers: int = 2
    reuse: Path | None = None


def cohort_request(
    scans: Sequence[Scan], name: str, config: str, options: dict[str, Any], atlas: Path | None = None, **where: Any
) -> CohortRequest:
    """A cohort of `scans`; `options` are laid over the configuration, `where` is its `executor`, `workers` and `reuse`.

    Raises:
        PreprocessingError: see `check_scans` and `load_config`.
    """
    check_scans(scans)
    absolute = tuple(
        _scan({**vars(scan), **{k: path.absolute() for k, path in _paths(scan).items()}}) for scan in scans
    )
    return CohortRequest(
        name, absolute, Path(config).stem, load_config(config, options), atlas and atlas.absolute(), **where
    )


def save_request(out: Path, cohort: CohortRequest, requests: Sequence[ScanRequest]) -> None:
    """Write what `load_request` and `scan_states` read."""
    rows = [
        {**vars(request.scan), **{key: str(path) for key, path in _paths(request.scan).items()}} for request in requests
    ]
    folders = {key: getattr(cohort, key) and str(getattr(cohort, key)) for key in _FOLDERS}
    content = {**vars(cohort), **folders, "scans": rows}
    write_json(_file(out), {**content, "requests": [request.digest for request in requests]})


def is_prepared(folder: Path) -> bool:
    """Whether a data set was prepared in `folder`."""
    return _file(folder).is_file()


def load_request(out: Path) -> CohortRequest:
    """What `run` was told when it was last started for `out`.

    Raises:
        PreprocessingError: nothing was prepared there.
    """
    content = _read(out)
    del content["requests"]
    content["config"] = with_new_names(content["config"])
    scans = tuple(_scan(row) for row in content["scans"])
    folders = {key: Path(content[key]) for key in _FOLDERS if content.get(key)}
    return CohortRequest(**{**content, **folders, "scans": scans})


def scan_states(out: Path) -> Iterator[tuple[str, str, str]]:
    """Id, state (`done`, `failed`, `waiting`) and reason of each scan, from the status files, one at a time.

    Raises:
        PreprocessingError: nothing was prepared there.
    """
    content = _read(out)
    for scan, digest in zip(content["scans"], content["requests"], strict=True):
        record = read_json(status_file(out, scan["id"]))
        if record is None or record.get("request") != digest:
            yield scan["id"], "waiting", ""
        else:
            yield scan["id"], record["state"], record.get("reason") or ""


def _read(out: Path) -> dict[str, Any]:
    content = read_json(_file(out))
    if content is None:
        raise PreprocessingError(f"{out}: nothing was prepared there (no {_file(out).relative_to(out)})")
    return content


def _file(out: Path) -> Path:
    return out / FOLDER / NAME


def _scan(row: dict[str, Any]) -> Scan:
    values: dict[str, Any] = {key: Path(value) if value and key in _PATHS else value for key, value in row.items()}
    return Scan(**values)


def _paths(scan: Scan) -> dict[str, Path]:
    return {key: path for key in _PATHS if (path := getattr(scan, key)) is not None}
