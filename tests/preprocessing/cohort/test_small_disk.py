"""A disk that is really full, and one that is really read-only (which stops root, too)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from synthetic_brain import HeadWriter, rigid

from preprocessing import cli
from preprocessing.cohort.run import Prepared, prepare
from preprocessing.datasets.table import write_table
from preprocessing.errors import PreprocessingError
from preprocessing.io.files import TEMPORARY
from preprocessing.io.nifti import load_volume
from preprocessing.scan import Scan

pytestmark = pytest.mark.usefixtures("use_coarse_atlas")
Mount = Callable[[str], None]


@pytest.fixture
def cohort(head: HeadWriter) -> list[Scan]:
    return [head(f"sub-{k}", move=rigid((0, 0, 0), (k, 0, -k)), lesion=k > 1) for k in range(4)]


def run(scans: list[Scan], out: Path, config: Path) -> Prepared:
    sizes = {"image_size": 20, "slices": 4, "slice_step": 2}
    return prepare(scans, out, "synthetic", config=str(config), workers=0, progress=False, **sizes)


def complaint(scans: list[Scan], out: Path, config: Path) -> str:
    """What the run says, whether it stops or goes on with the other scans."""
    try:
        return str(run(scans, out, config).failures)
    except (PreprocessingError, OSError) as error:
        return str(error)


def derivatives(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.glob("s*/**/*") if path.is_file()}


def test_a_full_disk_leaves_nothing_half_written_and_a_rerun_finishes(
    disk: tuple[Path, Mount], cohort: list[Scan], quick_config: Path, tmp_path: Path
) -> None:
    folder, mount = disk
    run(cohort, tmp_path / "whole", quick_config)
    whole = derivatives(tmp_path / "whole")
    size = sum(map(len, whole.values()))
    mount(f"size={size // 2}")
    assert "No space left on device" in complaint(cohort, folder / "out", quick_config)
    written = derivatives(folder / "out")
    assert 0 < len(written) < len(whole)
    assert all(whole[name] == content for name, content in written.items())
    assert not list(folder.rglob(f"{TEMPORARY}*"))
    mount(f"remount,size={10 * size}")
    assert run(cohort, folder / "out", quick_config).failures == {}
    assert derivatives(folder / "out") == whole


def test_a_folder_without_write_permission_is_one_line(
    disk: tuple[Path, Mount], cohort: list[Scan], quick_config: Path, head: HeadWriter,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder, mount = disk
    mount("size=1m,ro")
    write_table(cohort, head.root / "scans.csv", head.root)
    options = {"--dataset": "table", "--root": head.root, "--out": folder / "out", "--config": quick_config}
    arguments = [str(part) for option in options.items() for part in option]
    monkeypatch.setattr(sys, "argv", ["preprocessing", "run", *arguments, "--workers", "0"])
    with pytest.raises(SystemExit) as exit_info:
        cli.main()
    error = capsys.readouterr().err.strip().splitlines()
    assert exit_info.value.code == 2
    assert len(error) == 1 and "Read-only file system" in error[0] and str(folder) in error[0]


def test_the_raw_data_may_be_read_only(disk: tuple[Path, Mount], quick_config: Path, tmp_path: Path) -> None:
    folder, mount = disk
    mount("size=20m")
    scan = HeadWriter(folder)("sub-a", lesion=True)
    mount("remount,ro")
    assert run([scan], tmp_path / "out", quick_config).failures == {}
    np.testing.assert_array_equal(load_volume(scan.image)[0].shape, (60, 60, 39))
