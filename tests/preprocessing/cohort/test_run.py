"""From raw scans to the data set: complete, repeatable, resumable; one bad scan stops nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import yaml
from synthetic_brain import HeadWriter, rigid

from preprocessing.cohort import ledger, task
from preprocessing.cohort.run import Prepared, prepare
from preprocessing.cohort.scan_request import FOLDER, ScanRequest
from preprocessing.errors import PreprocessingError
from preprocessing.scan import Scan
from preprocessing.space.atlas import Atlas
from preprocessing.space.geometry import read_transform

pytestmark = pytest.mark.usefixtures("use_coarse_atlas")
Prepare = Callable[..., Prepared]
OPTIONS: dict[str, Any] = {"image_size": 20, "slices": 4, "slice_step": 2, "workers": 0, "progress": False}


@pytest.fixture
def prepare_here(quick_config: Path, tmp_path: Path) -> Prepare:
    def call(scans: list[Scan], out: Path = tmp_path / "out", **settings: Any) -> Prepared:
        return prepare(scans, out, "synthetic", **{"config": str(quick_config), **OPTIONS, **settings})

    return call


@pytest.fixture
def cohort(head: HeadWriter) -> list[Scan]:
    return four_heads(head)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, quick_config: Path, coarse_atlas: Atlas) -> Prepared:
    """The cohort, prepared without a break, for tests that do not write into it."""
    root = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("preprocessing.space.atlas.ensure_atlas", lambda path=None: coarse_atlas)
        scans = four_heads(HeadWriter(root / "raw"))
        return prepare(scans, root / "out", "synthetic", config=str(quick_config), **OPTIONS)


def four_heads(head: HeadWriter) -> list[Scan]:
    moves = [rigid((0, 0, 0), (k, 0.5 * k, -k)) for k in range(4)]
    return [
        head("sub-h0", move=moves[0]),
        head("sub-h1", move=moves[1], brighten=30),
        head("sub-l0", move=moves[2], lesion=True),
        head("sub-l1", move=moves[3], lesion=True, brighten=0.01),
    ]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file but the ledger, whose times differ."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.parent.name != FOLDER]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_data_set_keeps_its_contract(whole: Prepared) -> None:
    out = whole.manifest.parent
    manifest = json.loads(whole.manifest.read_text())
    assert (manifest["format"], manifest["version"], manifest["modality"]) == ("lesionless-dataset", 1, "FLAIR")
    assert (manifest["image_size"], manifest["slices"]) == (20, 4)
    assert {item["split"] for item in manifest["items"]} == {"train", "calibration", "validation", "test"}
    for item in manifest["items"]:
        split = manifest["splits"][item["split"]]
        arrays = {key: np.load(out / split[key], mmap_mode="r") for key in ("image", "brain", "lesion")}
        rows = slice(*item["rows"])
        assert arrays["image"].shape == (split["rows"], 20, 20)
        np.testing.assert_array_equal(arrays["image"][rows] > 0, arrays["brain"][rows] > 0)
        assert bool(arrays["lesion"][rows].any()) is not item["healthy"]
        volume = nib.load(out / item["image"])
        assert volume.get_data_dtype() == np.float32
        assert nib.aff2axcodes(volume.affine) == ("R", "A", "S")
        assert 0 <= volume.get_fdata().min() < volume.get_fdata().max() <= 1
        assert (out / item["image"].replace(".nii.gz", ".json")).is_file()
        assert not any(str(out) in value for value in map(str, item.values()))
    assert json.loads((out / "dataset_description.json").read_text())["DatasetType"] == "derivative"
    assert (out / "failures.tsv").read_text() == "id\treason\n"


def test_slices_are_where_the_affine_says(whole: Prepared) -> None:
    out, manifest = whole.manifest.parent, json.loads(whole.manifest.read_text())
    item = next(item for item in manifest["items"] if not item["healthy"])
    lesions = np.load(out / manifest["splits"][item["split"]]["lesion"])[slice(*item["rows"])]
    volume = nib.load(out / item["lesion"])
    pixels = np.argwhere(np.moveaxis(lesions, 0, 2))
    world = np.c_[pixels, np.ones(len(pixels))] @ np.array(manifest["affine"]).T
    voxels = np.rint(world @ np.linalg.inv(volume.affine).T)[:, :3].astype(int)
    assert np.asarray(volume.dataobj)[tuple(voxels.T)].mean() > 0.9


def test_all_slices_with_tissue_differ_between_scans(
    prepare_here: Prepare, head: HeadWriter, quick_config: Path, tmp_path: Path
) -> None:
    config = yaml.safe_load(quick_config.read_text())
    higher = rigid((0, 0, 0), (0, 0, 16))  # two slices of the 4 mm atlas times two steps
    config["register"] = {"_target_": "synthetic_brain.ByHeader", "moves": {"sub-l0": np.linalg.inv(higher).tolist()}}
    path = tmp_path / "moved.yaml"
    path.write_text(yaml.safe_dump(config))
    scans = [head("sub-h0"), head("sub-l0", lesion=True), head("sub-l1", lesion=True, brighten=2)]
    prepared = prepare_here(scans, config=str(path), slices="all")
    out, manifest = prepared.manifest.parent, json.loads(prepared.manifest.read_text())
    items = {item["id"]: item for item in manifest["items"]}
    assert (manifest["slices"], manifest["z"]) == ("all", [1, 39, 2])  # the lattice of the centre, 19
    assert np.array(items["sub-l0"]["z"][:2]).min() > np.array(items["sub-h0"]["z"][:2]).min()
    for item in items.values():
        start, stop = item["rows"]
        assert stop - start == len(range(*item["z"]))
        arrays = {k: np.load(out / manifest["splits"][item["split"]][k])[start:stop] for k in ("brain", "lesion")}
        volume = np.asarray(nib.load(out / item["lesion" if item["lesion"] else "brain"]).dataobj)
        world = pixels_to_mm(arrays["lesion" if item["lesion"] else "brain"], manifest, item)
        voxels = np.rint(world @ np.linalg.inv(nib.load(out / item["brain"]).affine).T)[:, :3].astype(int)
        assert volume[tuple(voxels.T)].mean() > 0.9
        assert arrays["brain"].any(axis=(1, 2)).all()


def pixels_to_mm(rows: np.ndarray, manifest: dict[str, Any], item: dict[str, Any]) -> np.ndarray:
    """World coordinates [n, 4] of the marked pixels of a scan's rows, by the affine of the grid of slices."""
    pixels = np.argwhere(np.moveaxis(rows, 0, 2)).astype(float)
    pixels[:, 2] += (item["z"][0] - manifest["z"][0]) / manifest["z"][2]
    return np.c_[pixels, np.ones(len(pixels))] @ np.array(manifest["affine"]).T


def test_slices_say_whether_they_are_normal(prepare_here: Prepare, cohort: list[Scan]) -> None:
    prepared = prepare_here(cohort, slices=12, slice_step=1)
    out, manifest = prepared.manifest.parent, json.loads(prepared.manifest.read_text())
    for name, split in manifest["splits"].items():
        lesion, share = np.load(out / split["lesion"]), np.load(out / split["lesion_share"])
        assert share.shape == (split["rows"],) and share.dtype == np.float32
        assert (share[lesion.any(axis=(1, 2))] > 0).all()
        assert (share == 0).any() and (share > 0).any() == (name in ("validation", "test"))
        for item in (item for item in manifest["items"] if item["split"] == name and item["lesion"]):
            brain, marked = (nib.load(out / item[key]).get_fdata().sum(axis=(0, 1)) for key in ("brain", "lesion"))
            z = slice(*item["z"])
            np.testing.assert_allclose(share[slice(*item["rows"])], marked[z] / brain[z], rtol=1e-6)


def test_patients_of_the_training_part_are_in_no_other(prepare_here: Prepare, cohort: list[Scan]) -> None:
    scans = [replace(s, split="train") if s.id == "sub-l0" else s for s in cohort]
    prepared = prepare_here(scans, slices=12, slice_step=1)
    manifest = json.loads(prepared.manifest.read_text())
    parts: dict[str, set[str]] = {}
    for item in manifest["items"]:
        parts.setdefault(item["subject"], set()).add(item["split"])
    assert all(len(found) == 1 for found in parts.values()) and parts["sub-l0"] == {"train"}
    share = np.load(prepared.manifest.parent / manifest["splits"]["train"]["lesion_share"])
    (patient,) = (item for item in manifest["items"] if item["subject"] == "sub-l0")
    assert 0 < (share[slice(*patient["rows"])] > 0).sum() == (share > 0).sum() < 12


def test_scans_with_too_small_lesions_are_left_out_and_named(
    prepare_here: Prepare, head: HeadWriter, quick_config: Path, tmp_path: Path
) -> None:
    moves = [rigid((0, 0, 0), (k, 0, -k)) for k in range(4)]
    scans = [head(f"sub-h{k}", move=moves[k]) for k in range(2)]
    scans += [head(f"sub-l{k}", move=moves[k], lesion=True, brighten=2) for k in range(3)]
    plan = {scan.id: split for scan, split in zip(scans[2:], ("validation", "test", "test"), strict=True)}
    scans = scans[:2] + [replace(scan, split=plan[scan.id]) for scan in scans[2:]]
    label = nib.load(scans[3].lesion)
    few = np.zeros(label.shape, np.uint8)
    few[tuple(np.argwhere(np.asarray(label.dataobj) > 0)[:2].T)] = 1  # below or in the central slices: too few
    nib.Nifti1Image(few, label.affine).to_filename(scans[3].lesion)
    config = yaml.safe_load(quick_config.read_text()) | {"min_lesion_share": 1e-3}
    path = tmp_path / "strict.yaml"
    path.write_text(yaml.safe_dump(config))
    prepared = prepare_here(scans, config=str(path))
    manifest = json.loads(prepared.manifest.read_text())
    (gone,) = manifest["left_out"]
    assert (gone["id"], gone["split"], prepared.left_out) == ("sub-l1", "test", 1)
    assert gone["reason"].endswith("of its pseudo-volume; at least 0.001")
    assert "sub-l1" not in {item["id"] for item in manifest["items"]} and manifest["min_lesion_share"] == 1e-3
    assert sorted(item["rows"] for item in manifest["items"] if item["split"] == "test")[0] == [0, 4]
    path.write_text(yaml.safe_dump(config | {"min_lesion_share": 0.0}))
    assert prepare_here(scans, config=str(path)).left_out == 0


def test_same_input_gives_the_same_bytes(prepare_here: Prepare, cohort: list[Scan], whole: Prepared) -> None:
    again = prepare_here(cohort[::-1])
    assert contents(again.manifest.parent) == contents(whole.manifest.parent)


def test_orientation_codes_make_no_difference(prepare_here: Prepare, head: HeadWriter, coarse_config: Path) -> None:
    oblique = rigid((7, -4, 5), (3, -6, 2))
    for index, codes in enumerate(("RAS", "LPS", "IAR")):
        head(f"sub-{index}", codes=codes, move=oblique)
    scans = [
        Scan(f"sub-{index}", f"sub-{index}", "FLAIR", head.root / f"sub-{index}.nii.gz", healthy=True, stripped=True)
        for index in range(3)
    ]
    prepared = prepare_here(scans, config=str(coarse_config))
    items = json.loads(prepared.manifest.read_text())["items"]
    images = [nib.load(prepared.manifest.parent / item["image"]).get_fdata() for item in items]
    for other in images[1:]:
        assert np.corrcoef(images[0].ravel(), other.ravel())[0, 1] > 0.999


def test_the_saved_transform_brings_a_label_there(
    prepare_here: Prepare, cohort: list[Scan], coarse_config: Path
) -> None:
    prepared = prepare_here(cohort[2:3], config=str(coarse_config))
    out, scan = prepared.manifest.parent, cohort[2]
    (item,) = (item for item in json.loads(prepared.manifest.read_text())["items"] if item["id"] == scan.id)
    to_scan = read_transform(out / scan.id / "xfm" / f"{scan.id}_from-orig_to-SRI24_mode-image_xfm.mat")
    moved, raw = nib.load(out / item["lesion"]), nib.load(scan.lesion)
    voxels = np.argwhere(np.asarray(raw.dataobj) > 0)
    world = np.c_[voxels, np.ones(len(voxels))] @ (np.linalg.inv(to_scan) @ raw.affine).T
    atlas = np.rint(world @ np.linalg.inv(moved.affine).T)[:, :3].astype(int)
    assert np.asarray(moved.dataobj)[tuple(atlas.T)].mean() > 0.9


def test_a_second_run_does_nothing(prepare_here: Prepare, cohort: list[Scan], monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare_here(cohort)
    times = {path: path.stat().st_mtime_ns for path in first.manifest.parent.rglob("*.n*")}
    monkeypatch.setattr("preprocessing.cohort.run.process", lambda request: pytest.fail("ran again"))
    again = prepare_here(cohort)
    assert (again.ran, again.skipped) == (0, 4)
    assert {path: path.stat().st_mtime_ns for path in again.manifest.parent.rglob("*.n*")} == times


def test_moved_raw_data_is_known_by_its_content(prepare_here: Prepare, cohort: list[Scan], tmp_path: Path) -> None:
    prepare_here(cohort)
    shutil.copytree(tmp_path / "raw", tmp_path / "elsewhere")
    moved = [
        Scan(
            s.id, s.subject, "FLAIR", tmp_path / "elsewhere" / s.image.name, healthy=s.healthy, stripped=True,
            lesion=s.lesion and tmp_path / "elsewhere" / s.lesion.name,
        )
        for s in cohort
    ]  # fmt: skip
    assert prepare_here(moved).skipped == 4


class Killed(BaseException):
    """Stands for the end of the process."""


def test_killed_between_scans_a_rerun_gives_the_same_bytes(
    prepare_here: Prepare, cohort: list[Scan], whole: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []

    def process_two(request: ScanRequest) -> ledger.Record:
        if len(ran) == 2:
            (request.out / request.scan.id / "anat").mkdir(parents=True)
            (request.out / request.scan.id / "anat" / ".tmp-half.nii.gz").touch()
            raise Killed
        ran.append(request.scan.id)
        return task.process(request)

    monkeypatch.setattr("preprocessing.cohort.run.process", process_two)
    with pytest.raises(Killed):
        prepare_here(cohort, tmp_path / "broken")
    assert not (tmp_path / "broken" / "dataset.json").exists()
    monkeypatch.setattr("preprocessing.cohort.run.process", task.process)
    finished = prepare_here(cohort, tmp_path / "broken")
    assert (finished.ran, finished.skipped) == (2, 2)
    assert contents(tmp_path / "broken") == contents(whole.manifest.parent)


def test_other_slices_reuse_the_prepared_scans(prepare_here: Prepare, cohort: list[Scan]) -> None:
    prepare_here(cohort)
    again = prepare_here(cohort, image_size=12, slices=2)
    assert (again.ran, again.skipped) == (0, 4)
    assert json.loads(again.manifest.read_text())["splits"]["train"]["rows"] == 2


def test_changed_input_and_lost_output_run_again(prepare_here: Prepare, cohort: list[Scan], head: HeadWriter) -> None:
    prepared = prepare_here(cohort)
    head("sub-h0", brighten=5, spacing=3)
    next((prepared.manifest.parent / "sub-l1").rglob("*mask*")).unlink()
    assert (prepare_here(cohort).ran, prepare_here(cohort).ran) == (2, 0)


def test_a_failed_scan_is_reported_and_retried(prepare_here: Prepare, cohort: list[Scan], head: HeadWriter) -> None:
    good = cohort[1].image.read_bytes()
    cohort[1].image.write_bytes(good[:3000])
    prepared = prepare_here(cohort)
    assert list(prepared.failures) == ["sub-h1"]
    assert "sub-h1.nii.gz: unreadable or truncated" in prepared.failures["sub-h1"]
    rows = (prepared.manifest.parent / "failures.tsv").read_text().splitlines()
    assert rows[1].startswith("sub-h1\t")
    assert [item["id"] for item in json.loads(prepared.manifest.read_text())["items"] if item["id"] == "sub-h1"] == []
    cohort[1].image.write_bytes(good)
    again = prepare_here(cohort)
    assert (again.ran, again.skipped, again.failures) == (1, 3, {})


def test_an_unexpected_error_is_a_failure_of_that_scan(
    prepare_here: Prepare, cohort: list[Scan], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(out: Path, scan: Scan, data: Any, space: str) -> dict[str, int]:
        if scan.id == "sub-l0":
            raise OSError(5, "Input/output error")
        return write(out, scan, data, space)

    write = task.derivatives.write
    monkeypatch.setattr("preprocessing.cohort.task.derivatives.write", broken)
    prepared = prepare_here(cohort)
    assert prepared.failures == {"sub-l0": "unexpected OSError: [Errno 5] Input/output error"}


def test_no_usable_scan_writes_no_manifest(prepare_here: Prepare, cohort: list[Scan], tmp_path: Path) -> None:
    for scan in cohort:
        scan.image.write_text("")
    with pytest.raises(PreprocessingError, match=r"no scan could be used; the first reason: .*sub-h0\.nii\.gz: unread"):
        prepare_here(cohort)
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_the_same_head_twice_is_refused_before_any_scan_runs(
    prepare_here: Prepare, cohort: list[Scan], tmp_path: Path
) -> None:
    cohort[1].image.write_bytes(cohort[0].image.read_bytes())
    with pytest.raises(PreprocessingError, match=r"two scans have the same content: sub-h0 \(.*\) and sub-h1 \(.*\)"):
        prepare_here(cohort)
    assert not list((tmp_path / "out").rglob("sub-*"))


def test_lesions_of_unlabelled_scans_are_unknown_not_absent(prepare_here: Prepare, head: HeadWriter) -> None:
    scans = [head("sub-h0"), head("sub-u", move=rigid((0, 0, 0), (3, 0, 0)), healthy=False, labelled=False)]
    prepared = prepare_here(scans)
    manifest = json.loads(prepared.manifest.read_text())
    (item,) = (item for item in manifest["items"] if item["id"] == "sub-u")
    assert (item["split"], item["labelled"], item["lesion"]) == ("unlabelled", False, None)
    lesion = np.load(prepared.manifest.parent / manifest["splits"]["unlabelled"]["lesion"])
    assert (lesion == 255).all()


@pytest.mark.dist
@pytest.mark.slow
def test_processes_give_the_same_bytes(prepare_here: Prepare, cohort: list[Scan], whole: Prepared) -> None:
    there = prepare_here(cohort, workers=2)
    assert contents(there.manifest.parent) == contents(whole.manifest.parent)


def test_atlas_argument_reaches_the_atlas(
    prepare_here: Prepare, cohort: list[Scan], monkeypatch: pytest.MonkeyPatch, coarse_atlas: Atlas
) -> None:
    asked = []
    monkeypatch.setattr("preprocessing.space.atlas.ensure_atlas", lambda path=None: asked.append(path) or coarse_atlas)
    prepare_here(cohort[:1], atlas=Path("mine"))
    assert asked == [Path("mine").absolute()]
