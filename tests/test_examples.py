"""Every public function and class of metrics, transforms and inferers has an example; those of all modules run."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest
import torch

PACKAGES = ("pipeline.metrics", "pipeline.transforms", "pipeline.inferers")


def _public() -> dict[str, object]:
    """Functions and classes without a leading underscore, by the module that defines them."""
    found = {}
    for package in PACKAGES:
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__, package + "."):
            members = vars(importlib.import_module(module.name)).items()
            for name, value in members:
                here = inspect.isfunction(value) or inspect.isclass(value)
                if here and value.__module__ == module.name and not name.startswith("_"):
                    found[f"{module.name}.{name}"] = value
    return found


PUBLIC = _public()
ROOT = Path(__file__).parents[1]


def _others() -> list[str]:
    """The modules with examples that are not of PACKAGES."""
    files = (path for room in ("lesionless", "pipeline", "preprocessing") for path in (ROOT / room).rglob("*.py"))
    with_examples = (path.relative_to(ROOT) for path in files if ">>>" in path.read_text("utf-8"))
    names = (".".join(path.with_suffix("").parts) for path in with_examples)
    return sorted(name for name in names if not name.startswith(PACKAGES))


def _examples(name: str) -> doctest.DocTest | None:
    """Examples in the docstring itself; those of a class's methods do not count for the class."""
    module = importlib.import_module(name.rpartition(".")[0])
    text = inspect.getdoc(PUBLIC[name]) or ""
    return doctest.DocTestParser().get_doctest(text, dict(vars(module)), name, module.__file__, 0) if text else None


@pytest.mark.parametrize("name", PUBLIC)
def test_the_example_names_what_it_shows_runs_and_prints_what_it_says(name: str) -> None:
    test = _examples(name)
    assert test and any(example.want for example in test.examples), f"{name} has no example with a result"
    assert any(name.rpartition(".")[2] in example.source for example in test.examples), f"{name} is not in its example"
    torch.manual_seed(0)
    report: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=report.append)
    assert not result.failed, "".join(report)


@pytest.mark.parametrize("package", PACKAGES)
def test_all_that_a_package_offers_is_looked_at(package: str) -> None:
    offered = {getattr(importlib.import_module(package), name) for name in importlib.import_module(package).__all__}
    missing = [value for value in offered if callable(value) and value not in PUBLIC.values()]
    assert not missing


@pytest.mark.parametrize("name", _others())
def test_an_example_elsewhere_prints_what_it_says(name: str) -> None:
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in doctest.DocTestFinder().find(importlib.import_module(name)):
        runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).attempted and not report, "".join(report)
