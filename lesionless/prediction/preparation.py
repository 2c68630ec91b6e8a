"""The preparation of a model: what it was, and the same for new scans, with all slices."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from pipeline.predict.calibration import KnownScan
from pipeline.predict.seen import digest
from pipeline.predict.volume import Slices
from preprocessing.cohort import ledger
from preprocessing.cohort.request import load_request
from preprocessing.cohort.scan_request import ScanRequest, scan_requests, status_file
from preprocessing.config import Config, named_files, resolve, steps
from preprocessing.dataset.manifest import read_manifest
from preprocessing.dataset.pseudo_volume import ALL, grid_affine, pseudo_volume, slice_areas
from preprocessing.errors import PreprocessingError
from preprocessing.io.files import read_json, sha256_file, sha256_json
from preprocessing.moved import with_new_names
from preprocessing.scan import Scan
from preprocessing.space.grid import load_grid
from preprocessing.versions import versions

_FREE = ("atlas", "slices", "split", "min_lesion_share", "qc")  # paths, and what a scan by itself does not depend on
VOLUMES = ("image", "brain", "lesion")


@dataclass(frozen=True)
class Preparation:
    """How scans are prepared: the configuration with the paths of this machine, all slices, and its digests.

    Args:
        config: resolved.
        atlas: SHA-256 of the atlas.
        sha256: of all that decides, the files that the steps name among them.
    """

    config: Config
    atlas: str
    sha256: str

    def slices(self, folder: Path, paths: dict[str, str]) -> Slices:
        """The slices of a prepared scan, from its files below `folder`: `image`, `brain`, and maybe `lesion`."""
        files: dict[str, Any] = {key: nib.load(folder / path) for key, path in paths.items()}
        volumes = {key: np.asarray(file.dataobj) for key, file in files.items()}
        transform = pseudo_volume(self.config)
        z = transform.scan_slices(volumes["brain"].shape, slice_areas(volumes["brain"]))
        found = transform(volumes)
        atlas = load_grid(Path(self.config["atlas"]["brain"]))
        affine = grid_affine(atlas.affine, atlas.array.shape, transform.size, z)
        lesion = found["lesion"] > 0 if "lesion" in found else None
        return Slices(found["image"], found["brain"] > 0, affine, np.array(z), lesion)

    def requests(self, scans: Sequence[Scan], out: Path, reuse: Path | None = None) -> list[ScanRequest]:
        """The request of each scan for the folder `out` of prepared scans; see `ScanRequest` for `reuse`."""
        return scan_requests(scans, out, self.config, self.atlas, reuse)

    def checks(self, record: ledger.Record) -> dict[str, float]:
        """Those checks of a scan that have a limit on the page of a data set."""
        return {name: record["checks"][name] for name in self.config["qc"] if name in record["checks"]}


def of_dataset(dataset: Path, atlas: Path | None = None) -> tuple[Preparation, dict[str, Any], dict[str, Path]]:
    """The preparation of a data set; as a model keeps it, JSON; and the files that its steps name, by their new name.

    Args:
        atlas: folder of the atlas; None: where it was when the data set was prepared.

    Raises:
        PreprocessingError: nothing was prepared there.
    """
    batch, manifest = load_request(dataset), read_manifest(dataset)
    files = {path.name: path for path in named_files(steps(batch.config))}
    config = _renamed(batch.config, {str(path): _mark(name) for name, path in files.items()})
    found = _prepare(batch.config, config, atlas or batch.atlas)
    document = {
        "name": batch.config_name,
        "sha256": found.sha256,
        "flair_like": any(item["flair_like"] for item in manifest["items"]),
        "versions": versions(),
        "config": config,
    }
    return found, document, files


def of_model(folder: Path, document: dict[str, Any], atlas: Path | None) -> Preparation:
    """The preparation of a model, on this machine.

    Raises:
        PreprocessingError: another atlas than the one that the model was made with.
    """
    config = _renamed(document["config"], {_mark(path.name): str(path) for path in folder.iterdir()})
    found = _prepare(with_new_names(config), document["config"], atlas)
    if found.sha256 != document["sha256"]:
        raise PreprocessingError(
            f"{Path(found.config['atlas']['brain']).parent}: not the atlas that the model was made with; --atlas FOLDER"
        )
    return found


def known_scans(
    dataset: Path, preparation: Preparation, wanted: Callable[[dict[str, Any]], bool]
) -> Iterator[KnownScan]:
    """The labelled scans of a prepared data set, healthy ones among them, whose item is `wanted`, as whole volumes."""
    manifest = read_manifest(dataset)
    for item in manifest["items"]:
        if not item["labelled"] or not wanted(item):
            continue
        record = read_json(status_file(dataset, item["id"])) or {"checks": {}}
        slices = preparation.slices(dataset, {key: item[key] for key in VOLUMES if item[key]})
        person, content = digest(manifest, item["subject"]), item["input_sha256"]
        yield KnownScan(item["subject"], slices, preparation.checks(record), person, content)


def _prepare(config: Config, named: Config, atlas: Path | None) -> Preparation:
    resolved, atlas_digest = resolve({**config, "slices": ALL}, atlas)
    decisive = {key: value for key, value in named.items() if key not in _FREE}
    files = map(sha256_file, named_files(steps(resolved)))
    return Preparation(resolved, atlas_digest, sha256_json([decisive, atlas_digest, *files]))


def _renamed(config: Config, names: dict[str, str]) -> Config:
    """The configuration with some of its strings replaced."""

    def changed(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: changed(value) for key, value in part.items()}
        if isinstance(part, list):
            return [changed(value) for value in part]
        return names.get(part, part) if isinstance(part, str) else part

    return json.loads(json.dumps(changed(config)))


def _mark(name: str) -> str:
    return f"model:{name}"
