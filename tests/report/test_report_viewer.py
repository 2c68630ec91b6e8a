"""The viewer of the page: its masks, Dice and millilitres are Python's, in the data and in a browser."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser import Browser

from pipeline.metrics import ScoreHistogram
from pipeline.metrics.curves import confusion
from pipeline.report import load_results, page
from pipeline.report.results import find_runs
from pipeline.report.viewer import Viewer, viewer
from pipeline.report.views import anomaly_map, box_of, kept_scans, kept_volumes

SCAN = "sub-lesion02"


def unpacked(text: str) -> bytes:
    return gzip.decompress(base64.b64decode(text))


def of(runs: Path, room: int = 10**9) -> Viewer | None:
    results = load_results(runs)
    return viewer(runs, results, dict.fromkeys(results["method"]), room)


@pytest.fixture(scope="module")
def made(runs: Path) -> Viewer:
    found = of(runs)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def data(made: Viewer) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(unpacked(made.data))
    return content


def mask_pixels(runs: Path, method: str, scan: str, value: float) -> tuple[int, int]:
    """Lesion and normal pixels of the mask `map >= value`, from the map on disk."""
    volumes, _ = kept_volumes(runs, scan)
    scores = anomaly_map(find_runs(runs, [method])[0], scan)
    assert scores is not None
    mask, lesion = (scores >= np.float32(value)) & (volumes["support"] > 0), volumes["lesion"] > 0
    return int((mask & lesion).sum()), int((mask & ~lesion).sum())


def test_levels_and_counts_are_those_of_the_maps_at_every_stop(runs: Path, made: Viewer, data: dict[str, Any]) -> None:
    i, j = 1, 2
    scan, method = data["scans"][i], data["methods"][j]
    levels = np.frombuffer(unpacked(made.volumes[f"map-{i}-{j}"]), np.uint8).reshape(scan["shape"])
    marks = np.frombuffer(unpacked(made.volumes[f"marks-{i}"]), np.uint8).reshape(scan["shape"])
    counted = method["counts"][i]
    assert len(method["stops"]) > 100
    for stop, value in enumerate(method["stops"]):
        expected = mask_pixels(runs, method["id"], scan["id"], value)
        assert (counted["tp"][stop], counted["fp"][stop]) == expected
        mask = levels > stop
        assert (int((mask & (marks > 1)).sum()), int((mask & (marks == 1)).sum())) == expected


def test_calibrated_stops_have_the_figures_of_the_table(runs: Path, data: dict[str, Any]) -> None:
    method = next(one for one in data["methods"] if one["id"] == "vae")
    scans = pd.read_csv(runs / "vae" / "seed-0" / "scans.csv").set_index("scan")
    assert {*method["rules"]} == {"", "oracle", "val_op", "p90", "p95", "p98"}
    for rule in ("val_op", "p98"):
        stop = method["rules"].index(rule)
        for scan, counted in zip(data["scans"], method["counts"], strict=True):
            tp, fp, lesion = counted["tp"][stop], counted["fp"][stop], counted["lesion"]
            dice = 1.0 if tp + fp + lesion == 0 else 2 * tp / (tp + fp + lesion)
            assert dice == pytest.approx(scans.loc[scan["id"], f"dice@{rule}"])
            assert fp * scan["voxel_ml"] == pytest.approx(scans.loc[scan["id"], f"false_ml@{rule}"])
    assert data["rule"] == "val_op"


def test_a_page_that_would_be_too_large_has_fewer_levels_then_fewer_pictures(runs: Path, made: Viewer) -> None:
    fewer = of(runs, int(made.size * 0.7))
    assert fewer is not None
    assert fewer.levels < made.levels
    assert fewer.volumes.keys() == made.volumes.keys()
    least = of(runs, int(len(fewer.data) * 0.5 + made.size * 0.1))
    assert least is not None
    assert 0 < sum(name.startswith("image") for name in least.volumes) < len(kept_scans(runs))
    assert len(json.loads(unpacked(least.data))["scans"]) == len(kept_scans(runs))
    assert of(runs, 100) is None


@pytest.fixture(scope="module")
def opened(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("browser")
    with Browser(folder / "profile", width=1280, height=900) as found:
        found.open(page(Path(shutil.copytree(runs, folder / "runs"))))
        found.wait("document.body.dataset.painted !== undefined")
        yield found
        assert found.complaints == []


def test_scan_method_and_threshold_that_a_reader_chooses(runs: Path, opened: Browser, data: dict[str, Any]) -> None:
    opened.choose("#scan", str([scan["id"] for scan in data["scans"]].index(SCAN)))
    opened.choose("#method", str(opened.ask("DATA.methods.findIndex((method) => method.id === 'vae')")))
    opened.choose("#rule", "p90")
    opened.wait(f"document.body.dataset.scan === '{SCAN}' && document.body.dataset.method === 'vae'")
    method = next(one for one in data["methods"] if one["id"] == "vae")
    counts = ScoreHistogram.load(runs / "vae" / "seed-0" / "test.npz").scan(SCAN)
    opened.ask("panels[0].canvas.focus()")
    # The keys: three steps up, then to the next calibrated threshold.
    for keys in ([], ["ArrowRight"] * 3, ["]"]):
        for key in keys:
            opened.press(key)
        shown = opened.ask("({...document.body.dataset})")
        value = method["stops"][int(shown["stop"])]
        truth = confusion(counts, value)
        assert float(shown["dice"]) == pytest.approx(truth.dice)
        assert float(shown["ml"]) == pytest.approx((truth.tp + truth.fp) * 0.01875)
        assert int(shown["voxels"]) == sum(mask_pixels(runs, "vae", SCAN, value))
        assert opened.ask("panels[0].map.reduce((n, level) => n + (level > panels[0].stop), 0)") == int(shown["voxels"])
        assert opened.ask("document.querySelector('#first .dice').textContent") == f"{truth.dice:.3f}"
    assert method["rules"][int(shown["stop"])] == "p95"


def test_the_mask_is_painted_where_python_has_it(runs: Path, opened: Browser) -> None:
    opened.wait("document.body.dataset.painted === `${document.body.dataset.scan} ${$('slice').value}`")
    shown = opened.ask("({...document.body.dataset})")
    pixels = "panels[0].pixels(Number($('slice').value), rows, columns).getContext('2d')"
    coloured = "[...made.keys()].filter((i) => i % 4 === 0 && made[i] !== made[i + 2]).length"
    made = f"made = {pixels}.getImageData(0, 0, columns, rows).data"
    painted = opened.ask(f"(([, rows, columns], {made}) => {coloured})(DATA.scans[scan].shape)")
    value = opened.ask("panels[0].method.stops[panels[0].stop]")
    volumes, _ = kept_volumes(runs, shown["scan"])
    scores = anomaly_map(find_runs(runs, [shown["method"]])[0], shown["scan"])
    assert scores is not None
    mask = (scores >= np.float32(value)) & (volumes["support"] > 0)
    grey = np.rot90(volumes["image"][:, :, int(shown["slice"])])[box_of(volumes["support"] > 0)]
    seen = opened.ask(
        "(([, rows, columns]) => [...panels[0].image.slice($('slice').value * rows * columns)])(DATA.scans[scan].shape)"
    )
    np.testing.assert_allclose(
        np.array(seen[: grey.size]).reshape(grey.shape) / 255, grey / volumes["image"].max(), atol=0.15
    )
    assert painted == mask[:, :, int(shown["slice"])].sum() > 0


def test_two_methods_side_by_side_and_the_scans_sorted_and_filtered(opened: Browser, data: dict[str, Any]) -> None:
    assert opened.ask("$('second').hidden")
    opened.choose("#beside", "0")
    opened.wait("!$('second').hidden && document.body.dataset.beside !== ''")
    opened.choose("#rule", "p98")
    assert opened.ask("panels.map((panel) => panel.method.rules[panel.stop])") == ["p98", "p98"]
    rows = "[...$('list').querySelectorAll('tbody tr:not([hidden])')]"
    opened.choose("#filter", "smallest")
    volumes = [float(text) for text in opened.ask(f"{rows}.map((row) => row.cells[1].textContent)")]
    assert volumes == sorted(volumes)
    assert len(volumes) == 5
    opened.choose("#filter", "worst")
    dice = [float(text) for text in opened.ask(f"{rows}.map((row) => row.cells[2].dataset.value)")]
    assert dice == sorted(dice)
    opened.choose("#filter", "false")
    assert all(name.startswith("sub-healthy") for name in opened.ask(f"{rows}.map((row) => row.cells[0].textContent)"))
    opened.choose("#filter", "all")
    opened.click("#list thead th[data-key=false] button")
    opened.click("#list tbody tr")
    first = opened.ask("$('list').querySelector('tbody tr').cells[0].textContent")
    opened.wait(f"document.body.dataset.scan === '{first}'")


def test_tables_are_sorted_and_nothing_is_asked_of_a_network(opened: Browser) -> None:
    column = "[...document.querySelectorAll('#methods tbody tr')].map((row) => parseFloat(row.cells[2].textContent))"
    before = opened.ask(column)
    assert before == sorted(before, reverse=True)
    opened.click("#methods thead th:nth-child(3) button")
    opened.click("#methods thead th:nth-child(3) button")
    assert opened.ask(column) == sorted(before)
    assert opened.ask("performance.getEntriesByType('resource').filter((one) => !/^(data|blob):/.test(one.name))") == []


def test_narrow_screens_have_no_sideways_scroll(opened: Browser) -> None:
    opened.size(390, 844, dark=True)
    assert opened.ask("document.documentElement.scrollWidth") <= 390
    assert opened.ask("getComputedStyle(document.body).backgroundColor") == "rgb(27, 30, 34)"


def test_without_scripts_the_page_reads_as_a_report(opened: Browser) -> None:
    address = opened.ask("location.pathname")
    opened.scripts(on=False)
    opened.open(Path(address))
    text = opened.ask("document.body.innerText")
    assert "Average precision" in text
    assert "beside it" not in text
    opened.scripts(on=True)
