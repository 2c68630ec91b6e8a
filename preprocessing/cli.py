"""`python -m preprocessing run | plan | status | atlas | nyul | phantom`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from preprocessing import datasets, ledger
from preprocessing.errors import PreprocessingError
from preprocessing.run import plan_scans, prepare
from preprocessing.scan import SUFFIXES, Scan
from preprocessing.splits import read_split
from preprocessing.survey import summary, survey, write_findings

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Datasets = Annotated[list[str], typer.Option("--dataset", help=f"{', '.join(datasets.available())}; may be repeated")]
Roots = Annotated[list[Path], typer.Option("--root", help="folder of the raw data (or CSV), one a --dataset")]
Out = Annotated[Path, typer.Option(help="folder of the prepared data set")]
ConfigName = Annotated[str, typer.Option("--config", help="name of a configuration, or a YAML file")]
AtlasPath = Annotated[Path | None, typer.Option("--atlas", help="folder of the atlas; default: the user's cache")]
Modality = Annotated[str | None, typer.Option(help=f"one of {', '.join(SUFFIXES)}; default: the first that is there")]
SplitFile = Annotated[Path | None, typer.Option("--split", help="CSV or TSV with subject and split; default: by seed")]
FlairLike = Annotated[bool, typer.Option("--flair-like", help="give T1 scans a FLAIR-like contrast")]


@app.command()
def run(
    dataset: Datasets,
    root: Roots,
    out: Out,
    config: ConfigName = "base",
    atlas: AtlasPath = None,
    image_size: Annotated[int, typer.Option(help="side of the slices in pixels")] = 96,
    slices: Annotated[str, typer.Option(help="central axial slices a scan, or `all` with tissue")] = "10",
    slice_step: Annotated[int, typer.Option(help="mm between slices")] = 3,
    seed: Annotated[int, typer.Option(help="of the split")] = 0,
    workers: Annotated[int, typer.Option(help="processes")] = 2,
    flair_like: FlairLike = False,
    modality: Modality = None,
    split: SplitFile = None,
) -> None:
    """Raw scans → prepared data set; run it again to finish or to retry."""
    prepared = prepare(
        find(dataset, root, flair_like, modality, split, out),
        out,
        "+".join(dataset),
        config=config,
        atlas=atlas,
        image_size=image_size,
        slices=int(slices) if slices.lstrip("-").isdigit() else slices,
        slice_step=slice_step,
        seed=seed,
        workers=workers,
    )
    console = Console()
    console.print(f"{prepared.manifest}: {prepared.ran} scans ran, {prepared.skipped} were up to date", soft_wrap=True)
    if prepared.left_out:
        console.print(f"{prepared.left_out} scans left out for too small lesions, see left_out there", soft_wrap=True)
    if prepared.failures:
        console.print(f"{len(prepared.failures)} scans failed, see {out / 'failures.tsv'}", soft_wrap=True)
        raise typer.Exit(1)


@app.command()
def plan(
    dataset: Datasets,
    root: Roots,
    out: Out,
    config: ConfigName = "base",
    atlas: AtlasPath = None,
    flair_like: FlairLike = False,
    modality: Modality = None,
    split: SplitFile = None,
) -> None:
    """Say what `run` would do, without doing it."""
    scans = find(dataset, root, flair_like, modality, split)
    todo = plan_scans(scans, out, config, atlas)
    console = Console()
    table = Table("scan", "subject", "modality", "status", "brain mask", "image")
    for scan in todo:
        status = "healthy" if scan.healthy else "lesion" if scan.labelled else "lesion, unlabelled"
        mask = "given" if scan.brain else "background" if scan.stripped else "computed"
        table.add_row(scan.id, scan.subject, scan.modality, status, mask, str(scan.image))
    console.print(table)
    console.print(
        f"{len(todo)} of {len(scans)} scans to run, about {len(todo) * 8 / 60:.0f} min of one core, "
        f"{len(todo) * 7:.0f} MB"
    )


@app.command()
def status(out: Out) -> None:
    """What is done and what failed, from the ledger."""
    records = ledger.records(out)
    if not records:
        raise PreprocessingError(f"{out}: nothing was prepared there")
    failed = [record for record in records if record["state"] == "failed"]
    Console().print(f"{len(records) - len(failed)} done, {len(failed)} failed")
    for record in failed:
        Console().print(f"{record['id']}: {record['reason']}", soft_wrap=True)
    raise typer.Exit(1 if failed else 0)


@app.command()
def atlas(path: Annotated[Path | None, typer.Option("--atlas", help="folder of the atlas")] = None) -> None:
    """Fetch the SRI-24 atlas into the user's cache, or check the one given."""
    from preprocessing.atlas import ensure_atlas

    Console().print(str(ensure_atlas(path).folder), soft_wrap=True)


@app.command()
def nyul(
    dataset: Annotated[Path, typer.Option(help="folder of a prepared data set")],
    out: Annotated[Path, typer.Option(help="the standard histogram, a .npy file for `standard` of NyulNormalized")],
) -> None:
    """Take Nyúl's standard histogram from the healthy training scans of a prepared data set."""
    from preprocessing.nyul import fit_standard, training_images

    images = training_images(dataset)
    fit_standard(images, out)
    Console().print(f"{out}: standard histogram of {len(images)} scans", soft_wrap=True)


@app.command()
def phantom(
    out: Out,
    healthy: Annotated[int, typer.Option(help="healthy subjects")] = 24,
    lesion: Annotated[int, typer.Option(help="subjects with lesions")] = 14,
    seed: int = 0,
    workers: int = 2,
    atlas: AtlasPath = None,
    modality: Annotated[str, typer.Option(help="flair, or ct: Hounsfield units and haemorrhages")] = "flair",
) -> None:
    """Write the sample cohort: SIMULATED raw FLAIR or CT heads with skull, as a BIDS data set."""
    from preprocessing.phantom import write_cohort

    written = write_cohort(out, healthy, lesion, seed, workers, atlas=atlas, modality=modality)
    Console().print(str(written), soft_wrap=True)


def find(
    names: Sequence[str],
    roots: Sequence[Path],
    flair_like: bool = False,
    modality: str | None = None,
    split: Path | None = None,
    out: Path | None = None,
) -> list[Scan]:
    """The scans of one or several data sets, each in its folder, split by a file or not.

    What is missing or unknown is said on stderr, and listed in `findings.tsv` below `out`.

    Raises:
        PreprocessingError: see `survey` and `read_split`.
    """
    scans, findings = survey(names, roots, modality)
    for line in summary(findings):
        Console(stderr=True).print(line, soft_wrap=True, markup=False, highlight=False)
    scans = [replace(scan, flair_like=True) if flair_like and scan.modality == "T1" else scan for scan in scans]
    scans = scans if split is None else read_split(split, scans)
    if out is not None:
        write_findings(out / "findings.tsv", findings)
    return scans


def main() -> None:
    """The command; a user's mistake is one line on stderr and exit status 2."""
    try:
        app()
    except (PreprocessingError, OSError) as error:
        Console(stderr=True).print(f"[red]error:[/red] {error}", soft_wrap=True, highlight=False)
        sys.exit(2)
