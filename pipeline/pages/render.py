"""Templates with their style and script inside, and bytes as text."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import Any

import jinja2

SHARED = "pipeline.pages"


def render(package: str, name: str, scripts: Sequence[str], **content: Any) -> str:
    """The page of a template `<name>.html`; every value is escaped.

    The template is given `style` (what all pages share, then `page.css` of the package), `script` and `script_hash`,
    for a content policy that lets no other script run.

    Args:
        package: that holds the template.
        name: of the template.
        scripts: names in their order, without `.js`; each is the package's own, or one of `pipeline.pages`.
        content: values of the template.
    """
    script = "\n".join(_script(package, f"{one}.js") for one in scripts)
    style = _text(SHARED, "controls.css") + _text(package, "page.css")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["number"] = number
    template = environment.from_string(_text(package, f"{name}.html"))
    return template.render(**content, style=style, script=script, script_hash=digest)


def _script(package: str, file: str) -> str:
    own = resources.files(package).joinpath(file)
    return _text(package if own.is_file() else SHARED, file)


def _text(package: str, file: str) -> str:
    return resources.files(package).joinpath(file).read_text("utf-8")


def packed(data: bytes) -> str:
    """Base64 of gzip; the same for the same bytes."""
    return base64.b64encode(gzip.compress(data, compresslevel=6, mtime=0)).decode()


def number(value: Any) -> str:
    """Four digits, or a dash."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, (int, float)) else "–" if value is None else str(value)
