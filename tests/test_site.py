"""What the site is made of: every method, key and ablation has its place, and links lead to pages."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import yaml

from pipeline.catalogue import available_methods

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """The modules of docs/make that need no MkDocs."""
    monkeypatch.syspath_prepend(str(ROOT / "docs/make"))
    import keys
    import methods
    import papers
    import python
    import repository

    modules = (keys, methods, papers, python, repository)
    return {module.__name__: module for module in modules}


def test_every_method_has_a_page_with_its_card_and_file(make: dict[str, ModuleType], tmp_path: Path) -> None:
    pages = dict(make["methods"].pages(tmp_path))
    assert {f"methods/{method}.md" for method in available_methods()} | {"methods/index.md"} == set(pages)
    amcons = pages["methods/amcons.md"]
    assert "parts: [attention]" in amcons
    assert "do not have this method" in amcons
    assert "(amcons.md)" in pages["methods/index.md"]


def test_a_measured_method_has_its_row_and_its_picture(make: dict[str, ModuleType], tmp_path: Path) -> None:
    from results_tree import write_results

    pages = dict(make["methods"].pages(write_results(tmp_path / "runs")))
    assert pages["methods/vae.png"][:4] == b"\x89PNG"
    assert "**Simulated** scans" in pages["methods/vae.md"]


def test_every_key_of_the_base_is_listed_with_its_comment(make: dict[str, ModuleType]) -> None:
    page = dict(make["keys"].pages())["reference/keys.md"]
    for key in yaml.safe_load((ROOT / "bundles/base/base.yaml").read_text("utf-8")):
        assert f"| `{key}" in page, key
    assert "| `attention_stage` | `1` | residual stage whose features attention maps are made of |" in page
    assert "`train::trainer` | `monai.engines.SupervisedTrainer`" in page


def test_an_ablation_belongs_to_a_paper(make: dict[str, ModuleType]) -> None:
    [(_, page)] = make["papers"].pages()
    assert all(f"`{path.stem}`" in page for path in (ROOT / "bundles/base/ablations").glob("*.yaml"))


def test_links_lead_to_pages_and_what_has_none_is_named(make: dict[str, ModuleType]) -> None:
    text = (
        "[a](docs/PREDICT.md#x) [b](CITATION.cff) [c](https://a.io) ![d](docs/images/demo.png) [e](bundles/README.md)"
    )
    moved = make["repository"].moved(text, "README.md", "index.md")
    assert moved == "[a](PREDICT.md#x) b [c](https://a.io) ![d](images/demo.png) [e](methods/index.md)"
    assert make["repository"].moved("[p](../docs/SPA.md)", "notebooks/x.ipynb", "notebooks/x.md") == "[p](../SPA.md)"


def test_the_navigation_names_pages_that_are_there_or_made(make: dict[str, ModuleType], tmp_path: Path) -> None:
    made = {
        name for module in ("methods", "papers", "keys", "python") for name, _ in make_pages(make[module], tmp_path)
    }
    made |= {"index.md", "start.md", "own_scans.md", "contributing.md", "changelog.md", "notebooks/index.md"}
    text = (ROOT / "mkdocs.yml").read_text("utf-8")
    nav = yaml.safe_load(text[text.index("\nnav:") : text.index("\nnot_in_nav")])["nav"]
    pages = [page for entry in nav for page in leaves(entry)]
    assert not {page for page in pages if page not in made and not (ROOT / "docs" / page).is_file()}
    assert {path.name for path in (ROOT / "docs").glob("*.md")} <= set(pages)


def make_pages(module: ModuleType, runs: Path) -> list[tuple[str, object]]:
    return list(module.pages(runs) if module.__name__ == "methods" else module.pages())


def leaves(entry: object) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    inside = entry.values() if isinstance(entry, dict) else entry
    return [page for part in inside for page in leaves(part)]  # type: ignore[attr-defined]
