"""The page: one file that loads nothing, escapes everything and says what its figures are not."""

from __future__ import annotations

import shutil
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from pipeline.errors import PipelineError
from pipeline.report import page
from pipeline.report.results import find_runs

VOID = {"meta", "source", "img", "br", "input"}


class Page(HTMLParser):
    """Tags with attributes, text, and whether all tags are closed in order."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def shown(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    own = Path(shutil.copytree(runs, tmp_path_factory.mktemp("page") / "runs"))
    return Page(page(own))


def rewrite(runs: Path, **values: object) -> None:
    """Change columns in all rows of the results."""
    for path in [run.folder / "metrics.csv" for run in find_runs(runs)]:
        pd.read_csv(path).assign(**values).to_csv(path, index=False)


def test_page_loads_nothing_and_runs_its_own_script_only(shown: Page) -> None:
    assert not shown.open
    assert not {"link", "iframe", "object", "base"} & {tag for tag, _ in shown.tags}
    scripts = [attributes for tag, attributes in shown.tags if tag == "script"]
    assert [attributes for attributes in scripts if "type" not in attributes] == [{}]
    assert "script-src 'sha256-" in str([attributes for tag, attributes in shown.tags if tag == "meta"])
    for _, attributes in shown.tags:
        for name in ("src", "srcset"):
            assert attributes.get(name, "data:").startswith("data:image/") or name not in attributes
        assert attributes.get("href", "#").startswith(("#", "data:text/csv"))
        assert not [name for name in attributes if name.startswith("on")]


def test_links_lead_to_sections_and_pictures_have_words(shown: Page) -> None:
    ids = {attributes.get("id") for _, attributes in shown.tags}
    links = [attributes["href"] for tag, attributes in shown.tags if tag == "a" and "download" not in attributes]
    assert links
    assert {link.removeprefix("#") for link in links} <= ids
    alts = [attributes["alt"] for tag, attributes in shown.tags if tag == "img"]
    assert len(alts) == 2 + 5 + 1
    assert all(len(alt) > 40 for alt in alts)


def test_page_says_what_it_shows(shown: Page) -> None:
    for words in (
        "SIMULATED DATA",
        "Dice@oracle",
        "Thresholds are learned before a test scan is seen",
        "brain eroded 3.2 mm",
        "Untrained AMCons",
        "healthy mL",
        "lesionless run DATASET --out RUNS --methods",
    ):
        assert words in shown.text


def test_same_results_give_the_same_bytes_and_nothing_else_is_left(two_runs: Path) -> None:
    before = {path.name for path in two_runs.iterdir()}
    first = page(two_runs).read_bytes()
    assert page(two_runs).read_bytes() == first
    assert {path.name for path in two_runs.iterdir()} == before | {"report.html"}


def test_values_from_files_are_escaped(two_runs: Path) -> None:
    evil = "<script>alert('x')</script>"
    rewrite(two_runs, title=evil, card_dataset=f"{evil}&", card_versions=evil)
    html = page(two_runs, command=f"make demo {evil}").read_text("utf-8")
    assert evil not in html
    assert "make demo &lt;script&gt;" in html


def test_real_data_have_no_banner(two_runs: Path) -> None:
    rewrite(two_runs, card_simulated=False)
    text = Page(page(two_runs)).text
    assert "SIMULATED" not in text
    assert "simulated)" not in text


def test_mixed_protocols_need_to_be_asked_for_and_are_said(two_runs: Path) -> None:
    path = two_runs / "intensity" / "seed-0" / "metrics.csv"
    pd.read_csv(path).assign(card_support="frame").to_csv(path, index=False)
    with pytest.raises(PipelineError, match="card_support"):
        page(two_runs)
    assert not (two_runs / "report.html").exists()
    text = Page(page(two_runs, mixed=True)).text
    assert "SEVERAL PROTOCOLS" in text
    assert "Protocol B" in text


def test_runs_without_pictures_scans_or_thresholds_still_have_a_page(two_runs: Path) -> None:
    shutil.rmtree(two_runs / "reference")
    for run in find_runs(two_runs):
        (run.folder / "scans.csv").unlink()
        (run.folder / "thresholds.json").unlink()
        (run.folder / "test.npz").unlink()
    text = Page(page(two_runs)).text
    assert "there is nothing to show here" in text
    assert "no figures per scan" in text


def test_the_page_names_what_made_its_rows(two_runs: Path) -> None:
    rewrite(two_runs, presets="tuned,normals_only", overrides="max_epochs=3", method_file="")
    text = Page(page(two_runs)).text
    assert "lesionless run DATASET --out RUNS --methods" in text
    assert "--seeds 0 --presets tuned,normals_only --set max_epochs=3" in text
