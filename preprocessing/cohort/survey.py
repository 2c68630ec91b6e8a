"""What was found of the data sets: their scans, and every file that is missing, unknown or without a use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import translate
from itertools import groupby
from pathlib import Path

from rich.console import Console

from preprocessing.dataset.splits import read_split
from preprocessing.datasets import adapter, choose, find_all
from preprocessing.datasets._files import absolute, walk
from preprocessing.errors import PreprocessingError
from preprocessing.io.files import write_bytes
from preprocessing.io.text import quoted
from preprocessing.scan import Scan

_ALWAYS = ("*/.*", "*/README*", "*/LICENSE*", "*/License*", "*.md", "*.pdf")
_FIRST = 3  # names that a summary shows


@dataclass(frozen=True)
class Finding:
    """Something that a data set should have or should not have.

    Args:
        dataset: its name.
        what: is wrong.
        where: a scan id, or a file relative to the folder of the data set.
    """

    dataset: str
    what: str
    where: str


def find(
    names: Sequence[str],
    roots: Sequence[Path],
    flair_like: bool = False,
    modality: str | None = None,
    split: Path | None = None,
    out: Path | None = None,
    archives: Sequence[Path] = (),
) -> list[Scan]:
    """The scans of one or several data sets, each in its folder, split by a file or not.

    What is missing or unknown is said on stderr, and listed in `findings.tsv` below `out`.

    Raises:
        PreprocessingError: see `survey` and `read_split`.
    """
    scans, findings = survey(names, roots, modality, archives)
    for line in summary(findings):
        Console(stderr=True).print(line, soft_wrap=True, markup=False, highlight=False)
    scans = [replace(scan, flair_like=True) if flair_like and scan.modality == "T1" else scan for scan in scans]
    scans = scans if split is None else read_split(split, scans)
    if out is not None:
        write_findings(out / "findings.tsv", findings)
    return scans


def survey(
    names: Sequence[str], roots: Sequence[Path], modality: str | None = None, archives: Sequence[Path] = ()
) -> tuple[list[Scan], list[Finding]]:
    """The scans of one or several data sets, each below its root, in one modality, and what is not as it should be.

    Findings: a file that a scan names and that is not there; a scan without a complete label; a scan id without the
    modality; a file below the root that neither a scan reads nor the data set is known to have.

    Raises:
        PreprocessingError: not one root for each data set, or see `find_all` and `choose`.
    """
    if len(names) != len(roots):
        raise PreprocessingError(f"{len(names)} --dataset and {len(roots)} --root; each data set needs one root")
    scans, findings = [], []
    for name, root in zip(names, roots, strict=True):
        every = find_all(name, root, archives)
        chosen = choose(every, root, modality)
        scans += chosen
        findings += [Finding(name, what, where) for what, where in _findings(name, root, every, chosen)]
    return scans, findings


def summary(findings: Sequence[Finding]) -> list[str]:
    """One line a kind of finding: how many, and the first names."""
    lines = []
    for (dataset, what), group in groupby(sorted(findings, key=_kind), key=_kind):
        names = [finding.where for finding in group]
        more = ", …" if len(names) > _FIRST else ""
        lines.append(f"{dataset}: {what}: {len(names)} ({', '.join(names[:_FIRST])}{more})")
    return lines


def write_findings(path: Path, findings: Sequence[Finding]) -> None:
    """Write all findings as a TSV (dataset, what, where)."""
    rows = [(finding.dataset, finding.what, quoted(finding.where)) for finding in findings]
    write_bytes(path, "".join("\t".join(row) + "\n" for row in [("dataset", "what", "where"), *rows]).encode())


def _kind(finding: Finding) -> tuple[str, str]:
    return finding.dataset, finding.what


def _findings(name: str, root: Path, every: Sequence[Scan], chosen: Sequence[Scan]) -> Iterator[tuple[str, str]]:
    folder = root if root.is_dir() else root.parent
    for path in (path for scan in chosen for path in scan.inputs):
        if not path.exists():
            yield "missing file", (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()
    if hasattr(adapter(name), "findings"):
        yield from adapter(name).findings(root, every)
    yield from (("no complete label", scan.id) for scan in chosen if not scan.labelled)
    absent = {scan.id for scan in every} - {scan.id for scan in chosen}
    yield from ((f"no {chosen[0].modality}", scan_id) for scan_id in sorted(absent))
    yield from (("unknown file", Path(path).relative_to(folder).as_posix()) for path in _unknown(name, root, every))


def _unknown(name: str, root: Path, scans: Sequence[Scan]) -> Iterator[str]:
    known = (*_ALWAYS, *adapter(name).OTHER)
    if "*" in known:
        return
    read = {str(path) for scan in scans for path in scan.inputs}
    expected = re.compile("|".join(map(translate, known))).match
    yield from (path for path in walk(root) if path not in read and not expected(absolute(path)))
