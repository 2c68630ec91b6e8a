"""NiiVue is found in its wheel and exported by name."""

from __future__ import annotations

import re
from importlib import metadata

import pytest

from preprocessing.errors import PreprocessingError
from preprocessing.qc.viewer import expose, niivue


def test_the_module_exports_the_class_that_attaches_to_a_canvas() -> None:
    source = niivue()
    name = re.search(r"export\{([\w$]+) as Niivue\};$", source)
    assert name is not None
    start = source.index(f"{name[1]}=class")
    assert "async attachToCanvas(" in source[start : start + 200_000]
    assert source.count("export{") == 1


def test_another_form_of_the_package_is_refused() -> None:
    with pytest.raises(PreprocessingError, match=r"ipyniivue 9\.9: its module does not make a Niivue where 2\.4 does"):
        expose("export{a as default};", "9.9")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    niivue.cache_clear()
    monkeypatch.setattr("preprocessing.qc.viewer.metadata.distribution", missing)
    with pytest.raises(PreprocessingError, match=r"the page needs the package ipyniivue \(pip install ipyniivue\)"):
        niivue()
