"""`report`: the page for quality control."""

from __future__ import annotations

import typer

from preprocessing.cli.options import Out


def report(out: Out) -> None:
    """Write OUT/qc.html: every scan with its checks, slices and a 3-D viewer, the worst first."""
    from preprocessing.qc.page import report as write_page

    written = write_page(out)
    typer.echo(f"{written.page}: {written.failed} failed, {written.warned} warned, {written.passed} passed")
