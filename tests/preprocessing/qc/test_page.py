"""The page of a cohort: complete, escaped, self-contained; its ratings change the manifest."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from browser import Browser
from synthetic_brain import HeadWriter, rigid

from preprocessing.cohort.run import Prepared, prepare
from preprocessing.errors import PreprocessingError
from preprocessing.io.files import write_nifti
from preprocessing.qc.page import report
from preprocessing.scan import Scan
from preprocessing.space.atlas import Atlas

pytestmark = pytest.mark.usefixtures("use_coarse_atlas")


@pytest.fixture
def scans(head: HeadWriter) -> list[Scan]:
    moves = [rigid((0, 0, 0), (k, 0.5 * k, -k)) for k in range(3)]
    return [
        head("sub-h0", move=moves[0], simulated=True),
        head("sub-h1", move=moves[1], simulated=True),
        head("sub-l0", move=moves[2], lesion=True, simulated=True),
    ]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def prepare_here(quick_config: Path, out: Path) -> Callable[..., Prepared]:
    def call(scans: list[Scan], **settings: Any) -> Prepared:
        options = {"image_size": 20, "slices": 4, "slice_step": 2, "workers": 0, "progress": False}
        return prepare(scans, out, "synthetic", config=str(quick_config), **options, **settings)

    return call


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, quick_config: Path, coarse_atlas: Atlas) -> Path:
    """A healthy and a patient's head, prepared."""
    root = tmp_path_factory.mktemp("once")
    write = HeadWriter(root / "raw")
    scans = [write("sub-h0", simulated=True), write("sub-l0", lesion=True, simulated=True)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("preprocessing.space.atlas.ensure_atlas", lambda path=None: coarse_atlas)
        options = {"image_size": 20, "slices": 4, "slice_step": 2, "workers": 0, "progress": False}
        prepare(scans, root / "out", "synthetic", config=str(quick_config), **options)
    return root / "out"


@pytest.fixture
def prepared(once: Path, out: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(once, out))


class Page(HTMLParser):
    """The scans of the page in their order, and the content of its data blocks."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = path.read_text(encoding="utf-8")
        self.articles: list[dict[str, str | None]] = []
        self.blocks: dict[str, str] = {}
        self._open = ""
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "article":
            self.articles.append(found)
        self._open = (found.get("id") or "") if tag == "script" else ""

    def handle_data(self, data: str) -> None:
        if self._open:
            self.blocks[self._open] = self.blocks.get(self._open, "") + data

    @property
    def order(self) -> list[str | None]:
        return [article["data-id"] for article in self.articles]


def beside(out: Path, name: str | None) -> dict[str, str]:
    """The volumes of a scan, as the page reads them."""
    text = (out / "qc" / f"{name}.js").read_text()
    found: dict[str, str] = json.loads(text.removeprefix(f'received("{name}", ').removesuffix(");\n"))
    return found


def test_page_of_a_cohort(prepare_here: Callable[..., Prepared], scans: list[Scan], out: Path) -> None:
    scans[1].image.write_text("")
    prepare_here(scans)
    written = report(out)
    page = Page(written.page)
    assert written.failed == 1
    assert written.warned + written.passed == 2
    assert page.order[0] == "sub-h1"
    assert set(page.order) == {"sub-h0", "sub-h1", "sub-l0"}
    assert "sub-h1.nii.gz: unreadable or truncated" in page.text
    assert "SIMULATED" in page.text
    lesion = next(article for article in page.articles if article["data-id"] == "sub-l0")
    assert lesion["data-not_finite"] == "0.0"
    assert float(lesion["data-brain_ml"] or 0) > 1000
    assert {*(lesion["data-roles"] or "").split()} == {"prepared", "brain", "lesion", "head"}
    volumes = beside(out, lesion["data-volumes"])
    assert volumes.keys() == {"prepared", "brain", "lesion", "head"}
    image = nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(volumes["lesion"])))
    assert image.get_data_dtype() == np.uint8
    assert image.shape == (30, 30, 20)
    assert np.asarray(image.dataobj).any()


def test_the_page_asks_for_nothing_from_elsewhere(prepared: Path) -> None:
    page = Page(report(prepared).page)
    assert b"as Niivue};" in gzip.decompress(base64.b64decode(page.blocks["niivue"]))
    assert "default-src 'none'" in page.text
    assert not re.search(r"""(src|href)=["']?(?!data:)[a-z]""", page.text)
    first = page.text
    assert Page(report(prepared).page).text == first


def test_worst_first_by_the_limits_of_the_configuration(prepared: Path) -> None:
    record = prepared / "ledger" / "sub-l0.json"
    content = json.loads(record.read_text())
    content["checks"]["mask_dice"] = 0.5
    record.write_text(json.dumps(content))
    page = Page(report(prepared).page)
    assert page.order[0] == "sub-l0"
    assert page.articles[0]["data-state"] == "warned"
    asked = prepared / "ledger" / "run.json"
    batch = json.loads(asked.read_text())
    batch["config"]["qc"] = {"mask_dice": {"title": "Dice", "low": 0.4}}
    asked.write_text(json.dumps(batch))
    assert report(prepared).warned == 0


def test_voxels_without_a_number_and_lost_files_are_said(prepared: Path) -> None:
    (broken,) = (prepared / "sub-h0").rglob("*desc-preproc*.nii.gz")
    image = nib.load(broken)
    array = image.get_fdata(dtype=np.float32)
    array[30, 30, 20] = np.nan
    write_nifti(broken, array, image.affine)
    for path in (prepared / "sub-l0").rglob("*desc-brain*.nii.gz"):
        path.unlink()
    written = report(prepared)
    page = Page(written.page)
    assert page.order[:2] == ["sub-l0", "sub-h0"]
    assert page.articles[1]["data-not_finite"] == "1.0"
    assert "unreadable (FileNotFoundError); run the preparation again" in page.text
    assert written.failed == 1


def test_values_from_files_are_escaped(prepared: Path) -> None:
    attack = "<script>alert(1)</script>\"'><img onerror=alert(1)>"
    record = {"id": f"sub-x{attack}", "state": "failed", "reason": f"/data/{attack}: no", "request": "", "seconds": 0}
    (prepared / "ledger" / "sub-x.json").write_text(json.dumps(record))
    manifest = json.loads((prepared / "dataset.json").read_text())
    (prepared / "dataset.json").write_text(json.dumps({**manifest, "name": attack, "modality": attack, "hash": attack}))
    page = Page(report(prepared).page)
    assert "alert(1)</script>" not in page.text
    assert "<img onerror" not in page.text
    assert page.articles[0]["data-id"] == record["id"]


def test_ratings_come_back_on_the_page_and_exclude_from_the_manifest(
    prepare_here: Callable[..., Prepared], scans: list[Scan], out: Path
) -> None:
    whole = json.loads(prepare_here(scans).manifest.read_text())
    assert whole["provenance"]["excluded"] == []
    (out / "qc_ratings.tsv").write_text("id\trating\nsub-h0\tgood\nsub-h1\texclude\n")
    rated = {article["data-id"]: article["data-rating"] for article in Page(report(out).page).articles}
    assert rated == {"sub-h0": "good", "sub-h1": "exclude", "sub-l0": ""}
    again = prepare_here(scans)
    manifest = json.loads(again.manifest.read_text())
    assert (again.ran, again.skipped) == (0, 3)
    assert [item["id"] for item in manifest["items"]] == [i["id"] for i in whole["items"] if i["id"] != "sub-h1"]
    assert {item["id"]: item["split"] for item in manifest["items"]}.items() <= {
        item["id"]: item["split"] for item in whole["items"]
    }.items()
    assert manifest["provenance"]["excluded"] == ["sub-h1"]
    (out / "qc_ratings.tsv").unlink()
    assert json.loads(prepare_here(scans).manifest.read_text()) == whole


def test_excluding_all_or_nothing_known_is_refused(
    prepare_here: Callable[..., Prepared], scans: list[Scan], out: Path
) -> None:
    ratings = out / "qc_ratings.tsv"
    ratings.parent.mkdir(exist_ok=True)
    ratings.write_text("id\trating\nsub-other\texclude\n")
    with pytest.raises(PreprocessingError, match=r"qc_ratings\.tsv, line 2: unknown scan 'sub-other'"):
        prepare_here(scans)
    ratings.write_text("id\trating\n" + "".join(f"{scan.id}\texclude\n" for scan in scans))
    with pytest.raises(PreprocessingError, match="no scan could be used; all 3 are rated exclude"):
        prepare_here(scans)


def test_nothing_prepared_has_no_page(tmp_path: Path) -> None:
    with pytest.raises(PreprocessingError, match="nothing was prepared there"):
        report(tmp_path)


def test_a_reader_opens_a_scan_and_the_page_grows_by_pictures_alone(prepared: Path, tmp_path: Path) -> None:
    (prepared / "qc").mkdir()
    (prepared / "qc" / "gone.js").write_text("")
    written = report(prepared).page
    assert len(list((prepared / "qc").iterdir())) == 2  # those of a scan that is gone went
    assert "received(" not in written.read_text()
    with Browser(tmp_path / "profile", 1280, 900) as browser:
        browser.open(written)
        assert browser.ask("getComputedStyle(document.querySelector('.strip .edges')).visibility") == "hidden"
        browser.click("#show-edges")
        assert browser.ask("getComputedStyle(document.querySelector('.strip .edges')).visibility") == "visible"
        browser.click("article[data-id=sub-l0] h2")
        browser.wait("$('canvas').dataset.shown === 'sub-l0'")
        assert browser.ask("niivue.volumes.map((volume) => volume.name)") == [
            "head.nii.gz",
            "brain.nii.gz",
            "lesion.nii.gz",
        ]
        assert browser.complaints == []
        for path in (prepared / "qc").iterdir():
            path.unlink()
        browser.click("article[data-id=sub-h0] h2")
        browser.wait("$('opened').textContent.includes('not in the folder qc')")
