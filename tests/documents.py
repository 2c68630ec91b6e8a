"""The commands of the documents: those of code blocks, and those that stand in a sentence between backticks."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ("lesionless", "python", "make", "pip", "torchrun", "dask", "python3", ".")
INLINE = re.compile(r"`((?:lesionless|python3?|make|pip) [^`…|]+)`")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def documents() -> list[Path]:
    """The Markdown files that are part of the repository."""
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    return [ROOT / name for name in listed] or sorted(ROOT.glob("[A-Z]*.md"))


def blocks(path: Path, language: str = "") -> list[str]:
    """Contents of the code blocks of a language; those without one hold commands, or a tree of files."""
    return [text for name, text in BLOCK.findall(path.read_text("utf-8")) if name == language]


def block_commands(path: Path) -> list[str]:
    """The command lines of the code blocks, one string each, without comments."""
    lines = "\n".join(blocks(path)).replace("\\\n", " ").splitlines()
    found = [shlex.join(shlex.split(line, comments=True)) for line in lines if line.split(" ")[0] in PROGRAMS]
    return [line for line in found if line]


def inline_commands(path: Path) -> list[str]:
    """The commands between backticks in the text."""
    return INLINE.findall(BLOCK.sub("", path.read_text("utf-8")))
