"""Configurations by name or path, with keys that exist."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from preprocessing.config import available, build, load_config, versions
from preprocessing.errors import PreprocessingError


def test_base_comes_with_the_package() -> None:
    assert "base" in available()
    assert load_config("base", {"image_size": 128})["image_size"] == 128


def test_unknown_names_keys_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PreprocessingError, match=r"unknown configuration 'bas'; available: base"):
        load_config("bas", {})
    with pytest.raises(PreprocessingError, match=r"key 'colour' is missing; it has atlas, "):
        load_config("base", {"colour": 1})
    path = tmp_path / "mine.yaml"
    path.write_text("steps: [")
    with pytest.raises(PreprocessingError, match=r"mine\.yaml: not a configuration \("):
        load_config(str(path), {})
    path.write_text(yaml.safe_dump({"steps": {}}))
    with pytest.raises(PreprocessingError, match=r"mine\.yaml: key 'atlas' is missing"):
        load_config(str(path), {})


def test_a_step_that_does_not_exist_is_refused_by_name() -> None:
    config = load_config("base", {})
    config["steps"] = {"_target_": "Compose", "transforms": [{"_target_": "preprocessing.loading.LoadScan"}]}
    with pytest.raises(PreprocessingError, match=r"configuration, 'steps': .*LoadScan"):
        build(config, "steps")


def test_transforms_are_built_once_a_process() -> None:
    config = load_config("base", {})
    assert build(config, "pseudo_volume") is build(load_config("base", {}), "pseudo_volume")
    assert build(config, "pseudo_volume") is not build(load_config("base", {"slices": 5}), "pseudo_volume")


def test_versions_name_what_the_result_depends_on() -> None:
    assert {"antspyx", "deepbet", "numpy"} <= set(versions())
