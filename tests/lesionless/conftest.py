"""A model of the synthetic heads, packed from a floor that was measured on them, and the synthetic scans."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "preprocessing"))

from packed_model import MOVE, Packed
from synthetic_atlas import coarse_atlas, coarse_config, head, quick_config, use_coarse_atlas
from synthetic_brain import HeadWriter, rigid

from lesionless.prediction.packing import pack_run
from pipeline.leaderboard import run_leaderboard
from preprocessing.cohort.run import prepare
from preprocessing.space.atlas import Atlas

__all__ = ["coarse_atlas", "coarse_config", "head", "quick_config", "use_coarse_atlas"]


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory, quick_config: Path, coarse_atlas: Atlas) -> Iterator[Packed]:
    """`intensity` on 8 healthy heads and 3 with a ball, at 4 mm; the atlas stays the synthetic one for all tests."""
    root = tmp_path_factory.mktemp("packed")
    write = HeadWriter(root / "raw")
    scans = [write(f"sub-h{k}", move=rigid((0, 0, 0), (k, 0.5 * k, 0)), split="calibration") for k in range(6)]
    scans += [write(f"sub-t{k}", move=rigid((0, 0, 0), (-k, 1, 0)), split="train") for k in range(2)]
    scans += [write(f"sub-l{k}", move=rigid((0, 0, 0), (k, 2, 1)), lesion=True, split="validation") for k in range(2)]
    scans += [write("sub-l9", move=rigid((0, 0, 0), (3, 2, 1)), lesion=True, split="test")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("preprocessing.space.atlas.ensure_atlas", lambda path=None: coarse_atlas)
        config = yaml.safe_load(quick_config.read_text())
        config["skull_strip"]["head"] = {"_target_": "preprocessing.strippers.NoStripper"}
        config["register"]["moves"] = {
            name: MOVE.tolist() for name in ("sub-p1_ses-2", *(f"sub-o{k}" for k in range(6)))
        }
        without_stripper = root / "config.yaml"
        without_stripper.write_text(yaml.safe_dump(config))
        options = {"image_size": 60, "slices": 4, "slice_step": 1, "workers": 0, "progress": False}
        dataset = prepare(scans, root / "dataset", "synthetic", config=str(without_stripper), **options).manifest.parent
        run_leaderboard(["intensity"], dataset, root / "runs")
        run = root / "runs" / "intensity" / "seed-0"
        pack_run(run, root / "model")
        yield Packed(root / "model", run, dataset, without_stripper)
