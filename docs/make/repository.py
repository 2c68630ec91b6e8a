"""Texts of the repository as pages: their sections, and links that lead where the page lies."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def section(text: str, heading: str) -> str:
    """The part of a Markdown text under `## heading`, with it."""
    found = re.search(rf"^## {re.escape(heading)}$.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"there is no heading '{heading}'")
    return found[0]


def moved(text: str, source: str, target: str) -> str:
    """A text of the file `source` as the page `target`: links lead to pages; what has no page is named, not linked."""
    return LINK.sub(lambda link: _link(link, posixpath.dirname(source), posixpath.dirname(target)), text)


def _link(link: re.Match[str], folder: str, page_folder: str) -> str:
    mark, words, address = link.groups()
    if re.match(r"\w+:|#", address):
        return link[0]
    path, _, anchor = address.partition("#")
    page = page_of(posixpath.normpath(posixpath.join(folder, path)))
    if page is None:
        return words
    return f"{mark}[{words}]({posixpath.relpath(page, page_folder or '.')}{'#' + anchor if anchor else ''})"


def page_of(path: str) -> str | None:
    """The page that a file of the repository is, None where it is none."""
    if card := re.fullmatch(r"bundles/(\w+)/docs/README\.md", path):
        return f"methods/{card[1]}.md"
    if path == "bundles/README.md":
        return "methods/index.md"
    if book := re.fullmatch(r"notebooks/(\w+)\.ipynb", path):
        return f"notebooks/{book[1]}.md"
    return path.removeprefix("docs/") if path.startswith("docs/") else PAGES.get(path)
