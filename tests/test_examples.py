"""Every public function and class of metrics, transforms and inferers has an example that runs and shows a result."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

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
