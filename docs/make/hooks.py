"""What the site has beside the pages of docs/: made of the README, the bundles, the configurations, the notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keys
import methods
import papers
import python
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from repository import ROOT, moved, section

import notebooks

WORKER = "iframe-worker.js"
README, CONTRIBUTING, CHANGELOG = "README.md", "CONTRIBUTING.md", "CHANGELOG.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and pictures that commands make."""
    runs = ROOT / config.extra["runs"]
    for target, content in _made(runs):
        files.append(File.generated(config, target, content=content))
    return files


def _made(runs: Path) -> Iterator[tuple[str, str | bytes]]:
    yield f"assets/{WORKER}", (Path(__file__).parent / WORKER).read_text("utf-8")
    yield from _texts()
    yield from methods.pages(runs)
    yield from papers.pages()
    yield from keys.pages()
    yield from python.pages()
    yield from notebooks.pages(runs)


def _texts() -> Iterator[tuple[str, str]]:
    """The README, a page for each of what its readers want, and the files beside it."""
    readme = (ROOT / README).read_text("utf-8")
    intro = readme[: readme.index("\n## ")]
    yield "index.md", moved(f"{intro}\n\n{section(readme, 'Cite')}", README, "index.md")
    start = "\n".join(["# Start in five minutes\n", section(readme, "Install"), section(readme, "Try it")])
    yield "start.md", moved(start, README, "start.md")
    own = section(readme, "Your own scans").replace("## ", "# ", 1)
    yield "own_scans.md", moved(own, README, "own_scans.md")
    for source, target in ((CONTRIBUTING, "contributing.md"), (CHANGELOG, "changelog.md")):
        yield target, moved((ROOT / source).read_text("utf-8"), source, target)
