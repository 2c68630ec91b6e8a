"""What is asked of one scan, and the digests by which it is known whether that was done before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from preprocessing.config import Config, step_digests
from preprocessing.io.files import sha256_json
from preprocessing.scan import Scan

FOLDER = "ledger"
RECORD = 4  # of what a record holds; scans with a record of another number run again


@dataclass(frozen=True)
class ScanRequest:
    """Everything that decides the result but the content of the scan's files.

    Args:
        scan: the raw scan.
        out: the prepared data set.
        config: the resolved configuration.
        digest: SHA-256 of the rest, see `scan_requests`.
        steps: for each step, the SHA-256 of what decides its result but the content of the scan's files.
        reuse: another prepared data set, whose kept steps are used again; None: only those of `out`.
    """

    scan: Scan
    out: Path
    config: Config
    digest: str
    steps: tuple[str, ...] = ()
    reuse: Path | None = None

    @property
    def path(self) -> Path:
        """The status file."""
        return status_file(self.out, self.scan.id)


def status_file(out: Path, name: str) -> Path:
    """Where the status of the scan with this id is."""
    return out / FOLDER / f"{name}.json"


def scan_requests(
    scans: Iterable[Scan], out: Path, config: Config, atlas: str, reuse: Path | None = None
) -> list[ScanRequest]:
    """The request for each scan; digests depend on the scan, the steps, what these name, and package versions.

    The seed counts only where it is used, and neither file names nor the split nor the slices count.

    Args:
        scans: the raw scans.
        out: the prepared data set.
        config: the resolved configuration.
        atlas: SHA-256 of the atlas.
        reuse: see `ScanRequest`.
    """
    steps = step_digests(config, atlas)
    return [_request(scan, out, config, steps, reuse) for scan in scans]


def _request(scan: Scan, out: Path, config: Config, steps: tuple[str, ...], reuse: Path | None) -> ScanRequest:
    fields = {key: True if isinstance(value, Path) else value for key, value in vars(scan).items() if key != "split"}
    facts = [RECORD, fields, config["seed"] if scan.flair_like else None]
    of_scan = tuple(sha256_json([step, facts]) for step in steps)
    return ScanRequest(scan, out, config, of_scan[-1], of_scan, reuse)
