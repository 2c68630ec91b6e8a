from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from pipeline.files import write_csv, write_epoch, write_json


def test_rows_of_a_killed_run_go(tmp_path: Path) -> None:
    path = tmp_path / "new" / "log.csv"
    for epoch, loss in ((1, 4.0), (2, 3.0), (3, 2.0), (2, 2.5)):
        write_epoch(path, [{"epoch": epoch, "stage": stage, "loss": loss} for stage in (1, 2)])
    assert pd.read_csv(path).to_dict("list") == {
        "epoch": [1, 1, 2, 2], "stage": [1, 2, 1, 2], "loss": [4.0, 4.0, 2.5, 2.5],
    }  # fmt: skip


def test_a_file_is_never_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table, values = tmp_path / "a.csv", tmp_path / "a.json"
    write_csv(table, pd.DataFrame([{"x": 1}]))
    write_json(values, {"x": 1})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.json"]

    def killed(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    for write in (lambda: write_csv(table, pd.DataFrame([{"x": 2}])), lambda: write_json(values, {"x": 2})):
        with pytest.raises(KeyboardInterrupt):
            write()
    assert pd.read_csv(table)["x"].tolist() == [1]
    assert json.loads(values.read_text()) == {"x": 1}
