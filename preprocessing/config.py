"""Configurations in MONAI syntax: found by name or path, overridden, hashed and built."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from preprocessing.errors import PreprocessingError
from preprocessing.io.files import sha256_file, sha256_json
from preprocessing.moved import with_new_names
from preprocessing.versions import versions

Config = dict[str, Any]
_REFERENCE = re.compile(r"@(\w+)")


def available() -> list[str]:
    """The names of the configurations that come with the package."""
    folder = resources.files("preprocessing") / "configs"
    return sorted(Path(file.name).stem for file in folder.iterdir() if file.name.endswith(".yaml"))


def load_config(name: str, overrides: Mapping[str, Any]) -> Config:
    """`base.yaml`, the configuration `name` laid over it, then the overrides: top-level keys replace each other.

    Args:
        name: of a configuration of the package, or the path of a YAML or JSON file.
        overrides: of top-level keys.

    Raises:
        PreprocessingError: no such configuration, unreadable, or an override that it does not have.
    """
    path = Path(name)
    if name in available():
        path = _packaged(name)
    elif not path.is_file():
        raise PreprocessingError(f"unknown configuration {name!r}; available: {', '.join(available())}, or a file")
    content = {**_read(_packaged("base")), **_read(path)}
    if unknown := sorted(set(overrides) - set(content)):
        raise PreprocessingError(f"{path}: key {unknown[0]!r} is missing; it has {', '.join(sorted(content))}")
    result: Config = with_new_names({**content, **overrides})
    return result


def steps(config: Config) -> list[Any]:
    """What is done to one scan, in order: the transforms of `steps`, each `@noun` as the noun that it stands for."""
    named = config["steps"]["transforms"]
    return [config[step[1:]] if isinstance(step, str) and step[1:] in config else step for step in named]


def step_digests(config: Config, atlas: str) -> tuple[str, ...]:
    """For each step, the SHA-256 of what decides its result beside the scan.

    That is the step and those before it, the nouns and the content of the files that they name, and package versions.
    The seed is left out: it decides the contrast of some scans only.

    Args:
        config: with the key `steps`.
        atlas: SHA-256 of the atlas, which stands for its paths.
    """
    digests = [sha256_json(versions())]
    for step in steps(config):
        nouns = {name: atlas if name == "atlas" else config[name] for name in _nouns_of(step, config)}
        digests.append(sha256_json([digests[-1], step, nouns, *map(sha256_file, named_files([step, nouns]))]))
    return tuple(digests[1:])


def named_files(part: Any) -> list[Path]:
    """The files that a part of a configuration names, such as a reference scan: their content decides the result."""
    return [Path(text) for text in _strings(part) if Path(text).is_file()]


def _nouns_of(part: Any, config: Config) -> list[str]:
    """The top-level keys that a part refers to, those that these refer to, and so on; sorted, without the seed."""
    found, left = {"seed"}, [part]
    while left:
        named = {name for text in _strings(left.pop()) for name in _REFERENCE.findall(text)}
        new = (named & set(config)) - found
        left += [config[name] for name in new]
        found |= new
    return sorted(found - {"seed"})


def _strings(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, (dict, list)):
        for value in part.values() if isinstance(part, dict) else part:
            yield from _strings(value)


def _packaged(name: str) -> Path:
    return Path(str(resources.files("preprocessing") / "configs" / f"{name}.yaml"))


def _read(path: Path) -> Config:
    from monai.bundle import ConfigParser  # takes seconds; the ledger does without

    try:
        content = ConfigParser.load_config_file(path)
    except Exception as error:  # the YAML reader raises its own kinds
        raise PreprocessingError(f"{path}: not a configuration ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise PreprocessingError(f"{path}: not a configuration (it has no keys)")
    return content


def resolve(config: Config, atlas: Path | None) -> tuple[Config, str]:
    """The configuration with the paths of the atlas, and the SHA-256 of the atlas.

    Raises:
        PreprocessingError: see `ensure_atlas`, or a value that the steps refuse.
    """
    paths, digest = _atlas(atlas)
    resolved = {**config, "atlas": paths}
    for part in ("steps", "pseudo_volume"):
        build(resolved, part)
    return resolved, digest


def known_atlas(folder: Path | str | None, sha256: str) -> dict[str, str | None]:
    """The noun `atlas` of a configuration, for the atlas that somebody else prepared scans with.

    Args:
        folder: of the atlas; None: the one in the user's cache. sha256: of the atlas, as `resolve` gives it.

    Raises:
        PreprocessingError: see `ensure_atlas`, or it is another atlas.
    """
    paths, digest = _atlas(None if folder is None else Path(folder))
    if digest != sha256:
        where = Path(str(paths["brain"])).parent
        raise PreprocessingError(f"{where}: not the atlas that the model was made with; --atlas_dir FOLDER")
    return paths


def _atlas(folder: Path | None) -> tuple[dict[str, str | None], str]:
    from preprocessing.space.atlas import ensure_atlas

    found = ensure_atlas(folder)
    return found.config, sha256_json([found.space, *map(sha256_file, found.files)])


def build(config: Config, part: str) -> Callable[[Any], Any]:
    """The transform that stands under the key `part`; kept, so that models are loaded once a process."""
    return _build(json.dumps(config, sort_keys=True), part)


@lru_cache(maxsize=4)
def _build(text: str, part: str) -> Callable[[Any], Any]:
    from monai.bundle import ConfigParser

    try:
        return ConfigParser(json.loads(text)).get_parsed_content(part)
    except (RuntimeError, ValueError, KeyError, ImportError, TypeError) as error:
        raise PreprocessingError(f"configuration, {part!r}: {_root(error)}") from error


def _root(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())
