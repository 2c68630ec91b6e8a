"""Tables as in the papers: published values beside measured ones, no winner without an interval that says so."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from results_tree import write_results
from typer.testing import CliRunner

from lesionless.cli import app
from pipeline.errors import PipelineError
from pipeline.leaderboard import collect
from pipeline.metrics import ScoreHistogram, paired_difference
from pipeline.papers import fill, ranking, write_tables
from pipeline.papers.cells import cells
from pipeline.papers.measured import Measured, best, measure
from pipeline.papers.published import available_papers, load_paper
from pipeline.report import load_results

SHARED = Path(__file__).resolve().parents[2] / "shared" / "published"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_results(tmp_path_factory.mktemp("papers") / "runs")


@pytest.fixture(scope="module")
def written(runs: Path) -> Path:
    write_tables(runs, "silva2022")
    return runs / "tables" / "silva2022"


def made_up(method: str, mean: float, samples: np.ndarray, kind: str = "learned") -> Measured:
    return Measured(method, method.upper(), kind, {"auprc": np.array([mean])}, {"auprc": samples})


def test_the_papers_values_are_those_of_the_papers() -> None:
    values = {
        (paper, table.number): table.values.set_index(["data", "method", "label", "figure"])["value"]
        for paper in available_papers()
        for table in load_paper(paper).tables
    }
    assert [(key, len(found)) for key, found in values.items()] == [
        (("bercea2022", 2), 52), (("bercea2022", 4), 48), (("bercea2022", 5), 72),
        (("silva2022", 1), 90), (("silva2022", 2), 3), (("silva2022", 3), 21), (("silva2022", 4), 90),
    ]  # fmt: skip
    silva = values["silva2022", 1]["BraTS 2019"]
    assert silva["amcons", "", "auprc"] == 0.850 and silva["vae", "", "dice@oracle"] == 0.411
    assert values["silva2022", 3]["BraTS 2019"]["amcons", "", "dice@p98"] == 0.720
    assert values["bercea2022", 5]["MSI"]["spa", "", "auprc"] == 0.389
    assert values["bercea2022", 2]["MSLUB"]["spatial_vae", "", "auprc"] == 0.059


@pytest.mark.shared
def test_they_are_what_was_transcribed() -> None:
    if not SHARED.is_dir():
        pytest.skip("../shared/published is absent")
    numbers = {
        "silva2022": [
            "silva2022_brats_table1",
            "silva2022_brats_table2_auprc",
            "silva2022_brats_table3_dice",
            "silva2022_ich_table4",
        ],
        "bercea2022": ["bercea2022_spa_table4_dice_hausdorff", "bercea2022_spa_table5_postprocessed"],
    }
    for paper, names in numbers.items():
        for name, table in zip(names, load_paper(paper).tables[-len(names) :], strict=True):
            there = pd.read_csv(SHARED / f"{name}.csv").select_dtypes("number").to_numpy().ravel()
            here = table.values[["value", "sd"]].to_numpy().ravel()
            assert sorted(there[~np.isnan(there)]) == sorted(here[~np.isnan(here)])


def test_each_cell_is_measured_published_and_their_difference(runs: Path, written: Path) -> None:
    table = pd.read_csv(written / "table1.csv").set_index(["method", "figure"])
    row = table.loc[("amcons", "auprc")]
    rows = load_results(runs).set_index("method")["auprc"]
    assert row["measured"] == pytest.approx(rows["amcons"].mean()) and row["seeds"] == 2
    assert row["measured_sd"] == pytest.approx(rows["amcons"].std())
    assert row["published"] == 0.850 and row["published_sd"] == 0.011
    assert row["difference"] == pytest.approx(row["measured"] - 0.850)
    assert row["low"] < row["measured"] < row["high"] and row["card_dataset_hash"] == "12e4567890abcdef"
    assert np.isnan(table.loc[("cavga", "auprc"), "measured"]) and table.loc[("cavga", "auprc"), "kind"] == "not run"
    assert {"intensity", "histeq", "untrained_amcons"} <= set(table.index.get_level_values("method"))
    one_seed = table.loc[("vae", "auprc")]
    assert [one_seed["low"], one_seed["high"]] == pytest.approx(
        load_results(runs).set_index("method").loc["vae", ["auprc_ci_low", "auprc_ci_high"]].tolist(), abs=0.05
    )


def test_thresholds_that_no_run_learnt_are_learnt_from_its_held_out_normals(runs: Path, written: Path) -> None:
    table = pd.read_csv(written / "table3.csv").set_index(["method", "figure"])["measured"]
    rows = load_results(runs).set_index("method")
    assert table["histeq", "dice@p95"] == rows.loc["histeq", "dice@p95"] and table["histeq", "dice@p85"] > 0
    figures = [table["intensity", f"dice@p{q}"] for q in (85, 90)]
    assert len(set(figures)) == 2


def test_intervals_pair_the_same_patients(runs: Path) -> None:
    found = {one.method: one for one in measure(runs, load_results(runs), ["auprc", "dice@oracle", "iou@oracle"])}
    histograms = [ScoreHistogram.load(runs / method / "seed-0/test.npz") for method in ("vae", "intensity")]
    for figure in ("auprc", "dice@oracle"):
        difference = found["vae"].replicates[figure] - found["intensity"].replicates[figure]
        ends = np.quantile(difference[~np.isnan(difference)], [0.025, 0.975])
        assert tuple(ends) == pytest.approx(paired_difference(*histograms, figure)[1:3])
    dice, iou = (found["vae"].replicates[f"{name}@oracle"] for name in ("dice", "iou"))
    np.testing.assert_allclose(dice, 2 * iou / (1 + iou))


def test_best_is_only_who_the_interval_tells_from_all_others() -> None:
    rng = np.random.default_rng(0)
    patients = rng.normal(0.5, 0.2, 1000)
    clear = made_up("a", 0.6, patients + 0.1 + rng.normal(0, 0.01, 1000))
    floor = made_up("floor", 0.5, patients, "floor")
    noisy = made_up("b", 0.55, rng.normal(0.55, 0.2, 1000))
    reference = made_up("upper", 0.9, np.full(1000, 0.9), "supervised")
    assert best([floor, clear, reference], "auprc") == ("a", []), "paired, though both intervals overlap"
    assert best([floor, clear, noisy], "auprc") == ("a", ["B"])
    lost = Measured("c", "C", "learned", {"auprc": np.array([0.7])}, {})
    assert best([floor, lost], "auprc") == ("c", ["FLOOR"]), "without an interval it is told from none"
    distance = [
        Measured(m, m, "learned", {"hd@oracle": np.array([v])}, {"hd@oracle": np.full(9, v)})
        for m, v in (("far", 9.0), ("near", 2.0))
    ]
    assert best(distance, "hd@oracle") == ("near", [])
    assert best([clear], "auprc") == ("", [])


def test_a_ranking_says_how_stable_it_is() -> None:
    leads = np.repeat([0.6, 0.4], [700, 300])
    table = ranking(
        [
            made_up("b", 0.5, np.full(1000, 0.5)),
            made_up("a", 0.54, leads),
            made_up("c", 0.1, np.full(1000, 0.1), "floor"),
        ]
    )
    assert table["method"].tolist() == ["A", "B", "C"] and table["rank"].tolist() == [1, 2, 3]
    assert table["first"].tolist() == [0.7, 0.3, 0.0]
    assert table[["rank_low", "rank_high"]].to_numpy().tolist() == [[1, 2], [1, 2], [3, 3]]


def test_latex_has_as_many_cells_in_each_line_and_parses(written: Path) -> None:
    walker = pytest.importorskip("pylatexenc.latexwalker")
    for path in sorted(written.glob("*.tex")):
        text = path.read_text()
        nodes, _, _ = walker.LatexWalker(text, tolerant_parsing=False).get_latex_nodes()
        table = next(node for node in nodes if getattr(node, "environmentname", "") == "table")
        inner = next(node for node in table.nodelist if getattr(node, "environmentname", "") == "tabular")
        assert inner.isNodeType(walker.LatexEnvironmentNode)
        body = text.split("\\toprule")[1].split("\\bottomrule")[0]
        columns = len(re.search(r"\\begin\{tabular\}\{(l+)\}", text)[1])
        counts = {len(re.findall(r"(?<!\\)&", line)) for line in body.splitlines() if line.endswith("\\\\")}
        assert counts == {columns - 1}, path
        assert text.isascii() or set(re.findall(r"[^\x00-\x7f]", text)) <= {"í"}, path
        assert text.startswith("% measured here: SIMULATED data")


class Rows(HTMLParser):
    """Cells of the rows of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []

    def handle_starttag(self, tag: str, attributes: list) -> None:
        assert tag not in ("script", "link", "img")
        if tag == "tr":
            self.rows.append(0)
        self.rows[-1:] = [self.rows[-1] + (tag in ("td", "th"))] if self.rows else []


def test_every_format_says_the_protocol_and_the_same_cells(runs: Path, written: Path) -> None:
    for path in sorted(written.glob("table*.md")):
        text, page = path.read_text(), path.with_suffix(".html").read_text()
        for said in ("SIMULATED data", "12e4567890abcdef", "102526, Table"):
            assert said in text and said in page
        rows = [line for line in text.splitlines() if line.startswith("|")]
        parser = Rows()
        parser.feed(page)
        assert len(parser.rows) == len(rows) - 1 and set(parser.rows) == {rows[0].count("|") - 1}
        assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {rows[0].count("|")}


def test_text_of_a_row_is_text_in_every_format(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "runs", ignore=shutil.ignore_patterns("maps", "reference", "tables"))
    for path in (tmp_path / "runs").glob("vae/*/metrics.csv"):
        pd.read_csv(path, dtype=str).assign(title="<b>|&_%$ VAE").to_csv(path, index=False)
    files = write_tables(tmp_path / "runs", "silva2022").files
    texts = {
        suffix: next(f for f in files if f.name == f"table1.{suffix}").read_text() for suffix in ("md", "tex", "html")
    }
    assert r"\<b\>\|&\_%$ VAE" in texts["md"] and r"<b>|\&\_\%\$ VAE" in texts["tex"]
    assert "&lt;b&gt;|&amp;_%$ VAE" in texts["html"]


def test_what_no_table_can_be_made_of_is_refused(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="unknown paper 'silva'; available: bercea2022, silva2022"):
        write_tables(runs, "silva")
    with pytest.raises(
        PipelineError, match="no learned method of bercea2022 was run in .*, which has amcons, vae; the p"
    ):
        write_tables(runs, "bercea2022")
    copy = Path(shutil.copytree(runs, tmp_path / "runs", ignore=shutil.ignore_patterns("maps", "reference", "tables")))
    for floor in ("intensity", "histeq", "untrained_amcons"):
        shutil.rmtree(copy / floor)
    with pytest.raises(PipelineError, match="has no floor, and no table is written without"):
        write_tables(copy, "silva2022")
    row = copy / "vae/seed-0/metrics.csv"
    pd.read_csv(row, dtype=str).assign(card_image_size=64).to_csv(row, index=False)
    told = r"mixes protocols, which differ in card_image_size: 32 \| 64; the rows stay as they are. Move the runs"
    with pytest.raises(PipelineError, match=told):
        write_tables(copy, "silva2022")
    for row in copy.glob("*/*/metrics.csv"):
        pd.read_csv(row, dtype=str).assign(card_image_size=64, card_modality="T2").to_csv(row, index=False)
    with pytest.raises(
        PipelineError, match="Table 1 needs modality 'FLAIR', the runs have 'T2'; .*Table 4 needs modality 'CT'"
    ):
        write_tables(copy, "silva2022")


def test_the_command_prints_the_ranking_and_what_it_left_out(runs: Path) -> None:
    result = CliRunner().invoke(app, ["tables", str(runs), "--paper", "silva2022"])
    assert result.exit_code == 0 and "left out: Table 4 needs modality 'CT', the runs have 'FLAIR'" in result.output
    assert "AMCons" in result.output and f"{runs}/tables/silva2022/table2.tex" in result.output


def test_a_document_gets_its_tables_and_keeps_everything_else(runs: Path, tmp_path: Path) -> None:
    document, end = tmp_path / "RESULTS.md", "<!-- end of the table -->"
    mark, other = "<!-- runs/tables/silva2022/ranking.md -->", "<!-- elsewhere/tables/silva2022/table1.md -->"
    document.write_text(f"# Results\n\n{mark}\nold\n{end}\n\nwords\n\n{other}\nkept\n{end}\n")
    command = ["tables", str(runs), "--paper", "silva2022", "--document", str(document)]
    assert f"{document}: runs/tables/silva2022/ranking.md" in CliRunner().invoke(app, command).output.replace("\n", "")
    table = (runs / "tables/silva2022/ranking.md").read_text("utf-8")
    text = document.read_text("utf-8")
    assert text == f"# Results\n\n{mark}\n\n{table}\n{end}\n\nwords\n\n{other}\nkept\n{end}\n"
    fill(document, runs, [runs / "tables/silva2022/ranking.md"])
    assert document.read_text("utf-8") == text
    with pytest.raises(
        PipelineError, match=r"has a place for 'runs/tables/silva2022/ranking.md', which was not written"
    ):
        fill(document, runs, [runs / "tables/silva2022/table1.md"])
    with pytest.raises(
        PipelineError, match=r"no place for a table: a line <!-- NAME --> .* one of runs/tables/bercea2022/"
    ):
        fill(document, runs, [runs / "tables/bercea2022/table2.md"])
    with pytest.raises(PipelineError, match="no document "):
        fill(tmp_path / "nothing.md", runs, [])


def test_floors_of_before_there_was_a_figure_are_compared_by_the_others(runs: Path, tmp_path: Path) -> None:
    own_runs = Path(
        shutil.copytree(runs, tmp_path / "runs", ignore=shutil.ignore_patterns("maps", "reference", "tables"))
    )
    for floor in ("intensity", "histeq", "untrained_amcons"):
        row = own_runs / floor / "seed-0" / "metrics.csv"
        pd.read_csv(row).drop(columns="scan_ap").to_csv(row, index=False)
    found = collect(own_runs)
    assert "scan_ap_minus_floor" not in found and found.loc[~found["floor"], "ap_minus_floor"].notna().all()


def test_a_table_ranks_only_what_stands_in_it(runs: Path) -> None:
    found = measure(runs, load_results(runs), ["auprc"])
    table = cells(load_paper("silva2022").tables[1], found)
    assert "vae" not in set(table["method"]) and set(table["kind"]) == {"not run", "floor"}
