"""Configurations that name the modules of version 0.1 are still read."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from monai.bundle import ConfigParser

from preprocessing.config import load_config
from preprocessing.moved import OLD_TO_NEW, with_new_names

FORMER = {
    "bias": "CorrectBiasd", "histogram": "MatchHistogramd", "hounsfield": "RemoveBedd", "jpeg": "CompressSlicesd",
    "labels": "SelectLesiond", "loading": "LoadScand", "normalization": "ScaleIntensityByMaxd",
    "nyul": "NyulNormalized", "pseudo_volume": "PseudoVolumed", "registration": "RegisterToAtlasd",
    "resampling": "ResampleToAtlasd", "skull_strip": "SkullStripd", "tissues": "SegmentTissued",
}  # fmt: skip


def test_every_former_module_is_known() -> None:
    assert {name.split(".")[1] for name in OLD_TO_NEW} == set(FORMER)


@pytest.mark.parametrize("former", [*(f"preprocessing.{m}.{c}" for m, c in FORMER.items()),
                                    "preprocessing.normalization.FlairLiked"])  # fmt: skip
def test_former_names_lead_to_what_is_there(former: str) -> None:
    (new,) = with_new_names([{"_target_": former}])
    assert ConfigParser({"it": {"_target_": new["_target_"], "_mode_": "callable"}}).get_parsed_content("it")


def test_a_users_file_may_have_former_names(tmp_path: Path) -> None:
    path, steps = tmp_path / "mine.yaml", [{"_target_": "preprocessing.normalization.ScaleIntensityByMaxd"}]
    intensity = {"_target_": "Compose", "transforms": steps}
    stripper = {"_target_": "preprocessing.strippers.Robex"}
    path.write_text(yaml.safe_dump({"intensity": intensity, "bed": stripper}))
    config = load_config(str(path), {})
    assert config["intensity"]["transforms"][0]["_target_"].startswith("preprocessing.intensity.normalization.")
    assert config["bed"] == stripper
