"""The command: exit status 0, 1 when scans failed, 2 and one line for a user's mistake."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml
from synthetic_brain import HeadWriter, rigid

from preprocessing import cli
from preprocessing.datasets.table import write_table

pytestmark = pytest.mark.usefixtures("use_coarse_atlas")
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["preprocessing", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_info:
            cli.main()
        captured = capsys.readouterr()
        return int(exit_info.value.code or 0), captured.out, captured.err

    return call


@pytest.fixture
def raw(head: HeadWriter) -> Path:
    scans = [head("sub-h0"), head("sub-l0", lesion=True, move=rigid((0, 0, 0), (4, 0, 0)))]
    write_table(scans, head.root / "scans.csv", head.root)
    return head.root


def test_plan_run_status(command: Command, raw: Path, tmp_path: Path, quick_config: Path) -> None:
    source = ["--dataset", "table", "--root", raw, "--out", tmp_path / "out", "--config", quick_config]
    code, text, _ = command("plan", *source)
    assert (code, "2 of 2 scans to run" in text) == (0, True)
    assert not (tmp_path / "out").exists()
    small = ["--image-size", 16, "--slices", 3, "--workers", 0]
    code, text, _ = command("run", *source, *small)
    assert (code, "2 scans ran, 0 were up to date" in text) == (0, True)
    code, text, _ = command("plan", *source)
    assert "0 of 2 scans to run" in text
    code, text, _ = command("status", "--out", tmp_path / "out")
    assert (code, text.strip()) == (0, "2 done, 0 failed")


def test_nyul_takes_its_standard_from_a_prepared_cohort(
    command: Command, raw: Path, tmp_path: Path, quick_config: Path
) -> None:
    pytest.importorskip("intensity_normalization")
    config = yaml.safe_load(quick_config.read_text())
    small = ["--image-size", 16, "--slices", 3, "--workers", 0]
    source = ["--dataset", "table", "--root", raw, *small]
    assert command("run", *source, "--out", tmp_path / "first", "--config", quick_config)[0] == 0
    standard = tmp_path / "standard.npy"
    code, text, _ = command("nyul", "--dataset", tmp_path / "first", "--out", standard)
    assert (code, "standard histogram of 1 scans" in text) == (0, True)
    target = "preprocessing.intensity.nyul.NyulNormalized"
    config["intensity"] = {"_target_": target, "standard": str(standard), "floor": 1e-3, "clipped": 0.02}
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump(config))
    assert command("run", *source, "--out", tmp_path / "second", "--config", mine)[0] == 0
    (image,) = (tmp_path / "second" / "sub-h0" / "anat").glob("*desc-preproc_FLAIR.nii.gz")
    values = nib.load(image).get_fdata()
    found = np.percentile(values[values > 0], np.load(standard)[1])
    np.testing.assert_allclose(found, np.load(standard)[0], atol=1e-3)  # the standard of one scan is that scan's own


def test_failed_scans_give_exit_status_1(command: Command, raw: Path, tmp_path: Path, quick_config: Path) -> None:
    (raw / "sub-l0.nii.gz").write_text("")
    code, text, error = command(
        "run", "--dataset", "table", "--root", raw, "--out", tmp_path / "out", "--config", quick_config,
        "--image-size", 16, "--slices", 3, "--workers", 0,
    )  # fmt: skip
    assert code == 1
    assert "1 scans failed" in text
    assert "sub-l0.nii.gz: unreadable or truncated" in error
    code, text, _ = command("status", "--out", tmp_path / "out")
    assert (code, "1 done, 1 failed" in text, "unreadable" in text) == (1, True, True)


def test_findings_modality_and_split_file(command: Command, raw: Path, tmp_path: Path, quick_config: Path) -> None:
    (raw / "sub-h0.nii.gz").unlink()
    split = tmp_path / "split.csv"
    split.write_text("subject,split\nsub-h0,train\nsub-l0,validation\n")
    out = tmp_path / "out"
    source = ["run", "--dataset", "table", "--root", raw, "--out", out, "--config", quick_config, "--split", split]
    code, _, error = command(*source, "--image-size", 16, "--slices", 3, "--workers", 0)
    assert code == 1
    assert "table: missing file: 1 (sub-h0.nii.gz)" in error
    assert (out / "findings.tsv").read_text() == "dataset\twhat\twhere\ntable\tmissing file\tsub-h0.nii.gz\n"
    assert '"split": "validation"' in (out / "dataset.json").read_text()
    code, _, error = command(*source, "--modality", "T2")
    assert (code, "no T2 scan found; available: FLAIR" in error) == (2, True)


def test_report_and_ratings(command: Command, raw: Path, tmp_path: Path, quick_config: Path) -> None:
    source = ["--dataset", "table", "--root", raw, "--out", tmp_path / "out", "--config", quick_config]
    small = ["--image-size", 16, "--slices", 3, "--workers", 0]
    command("run", *source, *small)
    code, text, _ = command("report", "--out", tmp_path / "out")
    assert (code, "qc.html: 0 failed" in text, (tmp_path / "out" / "qc.html").is_file()) == (0, True, True)
    (tmp_path / "out" / "qc_ratings.tsv").write_text("id\trating\nsub-l0\texclude\n")
    code, _, _ = command("run", *source, *small)
    items = json.loads((tmp_path / "out" / "dataset.json").read_text())["items"]
    assert (code, [item["id"] for item in items]) == (0, ["sub-h0"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["run", "--dataset", "nothing", "--root", ".", "--out", "out"],
            "error: unknown data set 'nothing'; available:",
        ),
        (
            ["run", "--dataset", "ixi", "--dataset", "ixi", "--root", ".", "--out", "out"],
            "each data set needs one root",
        ),
        (["plan", "--dataset", "table", "--root", "nowhere", "--out", "out"], "nowhere: no such folder"),
        (["report", "--out", "nowhere"], "nowhere: nothing was prepared there"),
        (["status", "--out", "nowhere"], "nowhere: nothing was prepared there"),
    ],
)
def test_mistakes_are_one_line(
    command: Command, arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, error = command(*arguments)
    assert code == 2
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
