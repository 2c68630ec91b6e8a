"""Configurations by name or path, with keys that exist."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from preprocessing.config import available, build, load_config, named_files, resolve, step_digests, steps
from preprocessing.errors import PreprocessingError
from preprocessing.space.atlas import Atlas
from preprocessing.versions import versions


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
    path.write_text("- steps")
    with pytest.raises(PreprocessingError, match=r"mine\.yaml: not a configuration \("):
        load_config(str(path), {})


def test_a_configuration_states_only_the_nouns_that_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"slices": 20, "intensity": {"_target_": "Identityd", "keys": "image"}}))
    config, base = load_config(str(path), {}), load_config("base", {})
    assert config["slices"] == 20 and config["load"] == base["load"]
    assert steps(config)[-1] == {"_target_": "Identityd", "keys": "image"}
    assert steps(config)[:-1] == steps(base)[:-1]


def test_a_step_that_does_not_exist_is_refused_by_name() -> None:
    config = load_config("base", {})
    config["steps"] = {"_target_": "Compose", "transforms": [{"_target_": "preprocessing.io.loading.LoadScan"}]}
    with pytest.raises(PreprocessingError, match=r"configuration, 'steps': .*LoadScan"):
        build(config, "steps")


def test_transforms_are_built_once_a_process() -> None:
    config = load_config("base", {})
    assert build(config, "pseudo_volume") is build(load_config("base", {}), "pseudo_volume")
    assert build(config, "pseudo_volume") is not build(load_config("base", {"slices": 5}), "pseudo_volume")


def test_versions_name_what_the_result_depends_on() -> None:
    assert {"antspyx", "deepbet", "numpy"} <= set(versions())


def test_files_that_the_steps_name_count_by_their_content(
    tmp_path: Path, use_coarse_atlas: Callable[..., Atlas]
) -> None:
    reference, path = tmp_path / "reference.nii.gz", tmp_path / "mine.yaml"
    intensity = {"_target_": "preprocessing.intensity.histogram.MatchHistogramd", "reference": str(reference)}
    path.write_text(yaml.safe_dump({"intensity": {**intensity, "axial": None, "floor": 0.001}}))
    with pytest.raises(
        PreprocessingError, match=r"intensity: reference .*reference\.nii\.gz: no such file; give the p"
    ):
        resolve(load_config(str(path), {}), None)
    digests = set()
    for content in (b"one", b"other"):
        reference.write_bytes(content)
        assert named_files(steps(load_config(str(path), {}))) == [reference]
        digests.add(step_digests(load_config(str(path), {}), "atlas")[-1])
    assert len(digests) == 2
    assert named_files(steps(load_config("base", {}))) == []
