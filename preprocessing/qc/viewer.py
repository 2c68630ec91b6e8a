"""NiiVue as text for the page: the module inside the wheel `ipyniivue`, found but not imported."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from preprocessing.errors import PreprocessingError

PACKAGE = "ipyniivue"
# The widget's module exports only the widget. It makes its viewer by `x = new Class(options)` after this log line.
_CLASS = re.compile(r'"Creating new Niivue instance"\);.{0,120}?=new ([\w$]+)\(\w+\)\}')
_EXPORT = re.compile(r"export\{([\w$]+) as default\};?\s*$")


@lru_cache(maxsize=1)
def niivue() -> str:
    """The source of an ES module that exports the class `Niivue` (NiiVue, BSD 2-Clause).

    Raises:
        PreprocessingError: the package is missing, or this version has another form.
    """
    try:
        package = metadata.distribution(PACKAGE)
        source = Path(str(package.locate_file(f"{PACKAGE}/static/widget.js"))).read_text(encoding="utf-8")
    except (metadata.PackageNotFoundError, FileNotFoundError) as error:
        raise PreprocessingError(f"the page needs the package {PACKAGE} (pip install {PACKAGE})") from error
    return expose(source, package.version)


def expose(source: str, version: str) -> str:
    """`source` of the widget's module, with its class `Niivue` exported instead of the widget."""
    found, export = _CLASS.search(source), _EXPORT.search(source)
    if found is None or export is None:
        raise PreprocessingError(f"{PACKAGE} {version}: its module does not make a Niivue where 2.4 does; install 2.4")
    return f"{source[: export.start()]}export{{{found[1]} as Niivue}};"
