"""The reference of the Python API: a page a package, drawn from docstrings."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

PACKAGES = (
    *("pipeline.report", "pipeline.metrics", "pipeline.inferers", "pipeline.losses", "pipeline.networks"),
    *("pipeline.transforms", "pipeline.engines", "pipeline.handlers", "pipeline.contracts", "pipeline.data"),
    *("pipeline.workflow", "pipeline.leaderboard", "pipeline.ablation", "pipeline.tuning", "pipeline.painting"),
    *("preprocessing.io", "preprocessing.space", "preprocessing.intensity", "preprocessing.strippers"),
    *("preprocessing.cohort", "preprocessing.dataset", "preprocessing.prior", "preprocessing.qc"),
)


def pages() -> Iterator[tuple[str, str]]:
    """The list of the packages and each of them."""
    lines = [f"| [`{name}`]({name}.md) | {_summary(name)} |" for name in PACKAGES]
    head = "# Python\n\nBundles name these classes and functions in `_target_`, and notebooks import them.\n"
    yield "reference/index.md", "\n".join([head, "| package | |", "|---|---|", *lines, ""])
    for name in PACKAGES:
        yield f"reference/{name}.md", _page(name)


def _page(name: str) -> str:
    """The public names of a package, or, where it has no list of them, of its modules."""
    package = importlib.import_module(name)
    options = "" if hasattr(package, "__all__") else "    options:\n      show_submodules: true\n"
    return f"# {name}\n\n::: {name}\n{options}"


def _summary(name: str) -> str:
    return (importlib.import_module(name).__doc__ or "").strip().splitlines()[0]
