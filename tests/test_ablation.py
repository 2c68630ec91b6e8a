from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from lesionless.cli import app
from pipeline.ablation import available_ablations, load_ablation, run_ablation, settings
from pipeline.errors import PipelineError
from pipeline.leaderboard import run_leaderboard
from pipeline.workflow import MethodWorkflow

PLAN = """
figure: auprc
grids:
  - {method: [intensity], erosion_mm: [0.0, 8.0]}
  - {method: [intensity, histeq], erosion_mm: [8.0]}
published: {histeq: 0.725}
"""


@pytest.fixture
def plan(tmp_path: Path) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(PLAN)
    return str(path)


def test_every_setting_is_run_once_and_has_the_figure_of_its_run(plan: str, tiny_dataset: Path, tmp_path: Path) -> None:
    table = run_ablation(plan, [tiny_dataset], tmp_path / "out", seeds=[0, 1])
    expected = [("intensity", 0.0), ("intensity", 8.0), ("histeq", 8.0)]
    assert list(zip(table["method"], table["erosion_mm"], strict=True)) == expected
    for method, erosion, value in zip(table["method"], table["erosion_mm"], table["auprc"], strict=True):
        run = run_leaderboard([method], tiny_dataset, tmp_path / f"{method}{erosion}", erosion_mm=erosion)
        assert value == run["auprc"].item()
    assert (table["auprc_sd"] == 0).all() and (table["seeds"] == 2).all(), "floors do not depend on the seed"
    assert table["published"].tolist()[2] == 0.725 and table["published"].isna().tolist() == [True, True, False]
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out/ablation.csv"), table, check_dtype=False)


def test_several_figures_and_values_published_by_name(tiny_dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(
        "figure: [auprc, hd@oracle]\ngrids: [{method: [intensity, histeq]}]\n"
        "published: {intensity: {auprc MSLUB: 0.15, auprc BraTS: 0.473}}\n"
    )
    table = run_ablation(str(tmp_path / "two.yaml"), [tiny_dataset], tmp_path / "out")
    assert table["published auprc MSLUB"].tolist()[0] == 0.15 and table["published auprc BraTS"].isna().tolist()[1]
    run = run_leaderboard(["intensity"], tiny_dataset, tmp_path / "runs").iloc[0]
    assert table.loc[0, ["auprc", "hd@oracle"]].tolist() == run[["auprc", "hd@oracle"]].tolist()


def test_what_is_done_is_not_done_again(plan: str, tiny_dataset: Path, tmp_path: Path) -> None:
    def times() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in tmp_path.rglob("scans.csv")}

    first = run_ablation(plan, [tiny_dataset], tmp_path / "out")
    before = times()
    with pytest.raises(PipelineError, match="holds another run: lesion_min_ml was 0.05, is 0.1"):
        run_ablation(plan, [tiny_dataset], tmp_path / "out", lesion_min_ml=0.1)
    pd.testing.assert_frame_equal(run_ablation(plan, [tiny_dataset], tmp_path / "out"), first)
    assert len(before) == 3 and times() == before


def test_the_command_prints_the_table(plan: str, tiny_dataset: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["ablation", plan, str(tiny_dataset), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "intensity" in done.output and "0.725" in done.output


FOLLOWED = """
figure: auprc
presets: [follow_maps]
picture: over_training
grids:
  - {method: [amcons], constraint_weight: [0.0, 300.0], attention_stage: [1]}
  - {method: [amcons], constraint_weight: [300.0], attention_stage: [1, 2]}
"""


def test_maps_are_followed_in_every_setting_and_drawn_once_a_dataset(tiny_dataset: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "followed.yaml", tmp_path / "out"
    path.write_text(FOLLOWED)
    table = run_ablation(str(path), [tiny_dataset], out, max_epochs=1, precision="fp32")
    followed = pd.read_csv(out / "attention.csv")
    keys = ["constraint_weight", "attention_stage"]
    assert followed[keys].drop_duplicates().values.tolist() == [[0, 1], [300, 1], [300, 2]]
    assert len(followed) == 3 * 2 * 4 and set(followed["split"]) == {"validation"}
    at_end = followed[(followed["epoch"] == 1) & (followed["stage"] == followed["attention_stage"])]
    assert table["validation_auprc"].tolist() == pytest.approx(at_end["auprc"].tolist(), abs=5e-3)
    (picture,) = out.glob("*.png")
    assert picture.name == "dataset=tiny_slices=3_image_size=32.png" and picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", available_ablations())
def test_installed_ablations_name_methods_and_keys_that_exist(name: str, tiny_dataset: Path) -> None:
    plan = load_ablation(name)
    found = settings(plan["grids"])
    for setting in found:
        MethodWorkflow(dataset_dir=str(tiny_dataset), presets=plan.get("presets", []), **setting)
    assert set(plan.get("published", {})) <= {setting["method"] for setting in found}


def test_the_grid_of_figure_3() -> None:
    found = {(s["beta"], s["constraint_weight"]) for s in settings(load_ablation("fig3")["grids"])}
    expected = {(beta, weight) for beta in (0.01, 0.1, 1.0, 10.0) for weight in (0.0, 0.1)}
    assert found == expected | {(10.0, weight) for weight in (0.01, 1.0, 10.0)}


def test_mistakes_are_refused_with_the_choices(tiny_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(
        PipelineError,
        match="unknown ablation 'fig8'; available: bercea2022_fig4, .*fig2, .*lambda_s, paper_vs_code, table2",
    ):
        load_ablation("fig8")
    (tmp_path / "a.yaml").write_text("figure: auprc\ngrids: [{beta: [1]}]")
    with pytest.raises(PipelineError, match="every grid needs the key 'method'"):
        load_ablation(str(tmp_path / "a.yaml"))
    (tmp_path / "c.yaml").write_text("figure: auprc\npicture: pie\ngrids: [{method: [vae]}]")
    with pytest.raises(PipelineError, match="unknown picture 'pie'; available: over_training"):
        load_ablation(str(tmp_path / "c.yaml"))
    (tmp_path / "b.yaml").write_text("figure: ap\ngrids: [{method: [intensity]}]")
    with pytest.raises(PipelineError, match="unknown figure 'ap'; available: .*auprc"):
        run_ablation(str(tmp_path / "b.yaml"), [tiny_dataset], tmp_path / "out")


@pytest.mark.parametrize(
    "grids, presets, message",
    [
        ("{method: [intensity, amcns]}", "", "unknown method 'amcns'; available: .*amcons"),
        ("{method: [intensity]}, {method: [vae], bta: [1.0]}", "", "unknown key 'bta'.*beta"),
        ("{method: [intensity]}, {method: [vae], optimizer#lrr: [1.0]}", "", "unknown key 'optimizer::lrr'"),
        ("{method: [amcons, intensity]}", "follow_maps", "follow_maps.yaml needs .* the method 'intensity' does not"),
    ],
)
def test_a_later_run_that_is_refused_stops_the_grid_before_its_first_run(
    grids: str, presets: str, message: str, tiny_dataset: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text(f"figure: auprc\ngrids: [{grids}]")
    with pytest.raises(PipelineError, match=message):
        run_ablation(str(tmp_path / "a.yaml"), [tiny_dataset], tmp_path / "out", presets=presets, max_epochs=1)
    assert not (tmp_path / "out").exists()


def test_a_missing_dataset_stops_the_grid_before_its_first_run(plan: str, tiny_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="no prepared dataset in .*none"):
        run_ablation(plan, [tiny_dataset, tmp_path / "none"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
