"""The CT sibling of the sample cohort: Hounsfield units, a closed skull, blood where each kind has it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from synthetic_anatomy import balls

from preprocessing.datasets import find_scans
from preprocessing.errors import PreprocessingError
from preprocessing.phantom import write_cohort
from preprocessing.phantom.anatomy import Anatomy
from preprocessing.phantom.ct import draw_ct_scanner
from preprocessing.phantom.haemorrhage import DENSITIES, PLAN, SHAPES, draw_haemorrhage, oedema
from preprocessing.phantom.hounsfield import AIR, cranial_depth, healthy_signal
from preprocessing.phantom.lesions import Lesions
from preprocessing.phantom.subject import Subject, simulate
from preprocessing.phantom.subject_files import MODALITIES

CT = MODALITIES["ct"]


@pytest.fixture(scope="session")
def anatomy() -> Anatomy:
    return balls()


@pytest.fixture(scope="session")
def depth(anatomy: Anatomy) -> np.ndarray:
    return cranial_depth(anatomy)


@pytest.fixture(scope="session")
def hounsfield(anatomy: Anatomy, depth: np.ndarray) -> np.ndarray:
    return healthy_signal(anatomy, depth, (0, "healthy", 0)) + AIR


@pytest.fixture(scope="session")
def haemorrhages(anatomy: Anatomy, depth: np.ndarray) -> dict[str, Lesions]:
    found = [draw_haemorrhage(anatomy, depth, (3, "lesion", index)) for index in range(len(PLAN))]
    return {lesions.kind: lesions for lesions in found}


@pytest.fixture(scope="session")
def subject(anatomy: Anatomy) -> Subject:
    return simulate(anatomy, 0, "lesion", 3, CT)


@pytest.fixture(scope="session")
def cohort(anatomy: Anatomy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ct")
    anatomy.save(folder / "tissues.npz")
    options = {"workers": 0, "progress": False, "tissues": folder / "tissues.npz", "modality": "ct"}
    return write_cohort(folder / "raw", healthy=1, lesion=1, seed=2, **options)


def test_depth_is_the_distance_to_the_cavity(anatomy: Anatomy, depth: np.ndarray) -> None:
    radius = np.linalg.norm((np.indices(depth.shape) - 25.5) * anatomy.spacing, axis=0)
    near = np.abs(59 - radius) < 15  # the brain is a ball of 58 mm, with 1 mm of fluid around it
    assert np.abs(depth[near] - (59 - radius[near])).max() < 1.5 * anatomy.spacing


def test_tissues_have_their_hounsfield_units(anatomy: Anatomy, depth: np.ndarray, hounsfield: np.ndarray) -> None:
    deep = depth > 6
    csf, grey, white = (
        np.median(hounsfield[(getattr(anatomy, k) == 255) & deep]) for k in ("ventricles", "grey", "white")
    )
    assert 5 <= csf < 15 and 26 < white < 34 and 36 < grey < 45 and white + 5 < grey
    bone = hounsfield[(depth < -2) & (depth > -4)]
    assert 700 < np.median(bone) < 1500
    radius = np.linalg.norm((np.indices(depth.shape) - 25.5) * anatomy.spacing, axis=0)
    assert np.median(hounsfield[radius > 78]) == AIR
    scalp = hounsfield[(radius > 69) & (radius < 71)]
    assert -120 < np.median(scalp) < 50


def test_the_skull_is_closed_but_below(anatomy: Anatomy, depth: np.ndarray, hounsfield: np.ndarray) -> None:
    upper = np.s_[:, :, 20:]
    soft, _ = ndimage.label(hounsfield[upper] < 300)
    inside = soft[(depth[upper] > 3)]
    air = soft[hounsfield[upper] < -900]
    assert set(np.unique(inside)).isdisjoint(np.unique(air))


def test_plan_holds_the_five_kinds() -> None:
    assert sorted(kind for kind, _ in PLAN) == sorted(SHAPES) and len(PLAN) == 5
    assert {density for _, density in PLAN} == set(DENSITIES)


def test_blood_lies_where_its_kind_has_it(
    anatomy: Anatomy, depth: np.ndarray, haemorrhages: dict[str, Lesions]
) -> None:
    marked = {kind: lesions.soft >= 0.5 for kind, lesions in haemorrhages.items()}
    millilitres = {kind: float(mask.sum()) * anatomy.spacing**3 / 1000 for kind, mask in marked.items()}
    assert set(marked) == set(SHAPES) and all(0.5 < volume < 130 for volume in millilitres.values()), millilitres
    assert all((depth[mask] > 0).all() for mask in marked.values())
    assert (anatomy.ventricles[marked["intraventricular"]] > 127).all()
    assert (anatomy.ventricles[marked["subarachnoid"]] < 128).all()
    tissue = anatomy.grey.astype(int) + anatomy.white
    assert tissue[marked["subarachnoid"]].mean() < 0.4 * 255 < 0.9 * 255 < tissue[marked["intraparenchymal"]].mean()
    for kind in ("epidural", "subdural"):
        assert depth[marked[kind]].min() < anatomy.spacing


def test_an_epidural_is_a_lens_and_a_subdural_a_crescent(
    anatomy: Anatomy, depth: np.ndarray, haemorrhages: dict[str, Lesions]
) -> None:
    def extent(kind: str) -> tuple[float, float]:
        places = np.argwhere(haemorrhages[kind].soft >= 0.5) * anatomy.spacing
        return float(np.ptp(places, axis=0).max()), float(depth[haemorrhages[kind].soft >= 0.5].max())

    (lens, lens_depth), (crescent, crescent_depth) = extent("epidural"), extent("subdural")
    assert 35 < lens < 75 and 6 < lens_depth < 22
    assert crescent > 1.2 * lens and crescent_depth < 14


def test_blood_is_denser_than_brain_and_oedema_is_around_it(
    anatomy: Anatomy, haemorrhages: dict[str, Lesions], hounsfield: np.ndarray
) -> None:
    for lesions in haemorrhages.values():
        low, high = DENSITIES[lesions.contrast]
        core = lesions.soft > 0.95
        painted = lesions.paint(hounsfield - AIR, 1.0, 0.0)[core] + AIR
        assert low - 4 < np.median(painted) < high + 4
    bleeding = haemorrhages["intraparenchymal"]
    around = oedema(bleeding, anatomy)
    assert around.max() > 0.3 and not around[(bleeding.soft > 0.999) | (anatomy.white == 0)].round(2).any()
    assert not oedema(haemorrhages["subdural"], anatomy).any()


def test_scans_are_whole_hounsfield_units_with_noise(subject: Subject) -> None:
    assert subject.image.dtype == np.int16 and subject.image.min() >= -1024 and subject.image.max() <= 3071
    assert subject.lesion is not None and not (subject.lesion > subject.brain).any()
    air = subject.image[subject.image < -900]
    assert np.median(air) == pytest.approx(AIR, abs=2) and 2 < air.std() < 8
    assert subject.facts["LesionKind"] == "epidural" and subject.facts["LesionVolumeMl"] > 2
    assert np.median(subject.image[subject.lesion > 0]) > 50


def test_the_head_rest_lies_behind_the_head_and_apart_from_it(subject: Subject) -> None:
    labels, _ = ndimage.label(subject.image > -300)
    head = labels == np.bincount(labels[subject.brain > 0]).argmax()
    rest = (subject.image > -300) & ~head
    back = [
        (np.argwhere(mask) @ subject.affine[:3, :3].T + subject.affine[:3, 3])[:, 1].mean() for mask in (rest, head)
    ]
    assert rest.sum() > 500 and back[0] < back[1] - 20


def test_gantries_tilt_and_slices_are_thick(anatomy: Anatomy) -> None:
    scanners = [draw_ct_scanner(0, "healthy", index, anatomy.head_box[1]) for index in range(24)]
    edges = np.array([np.linalg.norm(scanner.affine[:3, :3], axis=0) for scanner in scanners])
    assert edges[:, :2].min() >= 0.9 and edges[:, :2].max() <= 1.1 and edges[:, 2].min() >= 3 and edges[:, 2].max() <= 5
    tilts = [np.degrees(np.arcsin(abs(s.affine[1, 2]) / e[2])) for s, e in zip(scanners, edges, strict=True)]
    assert 10 < max(tilts) < 21 and min(tilts) < 6
    for scanner, edge in zip(scanners, edges, strict=True):
        axes = scanner.affine[:3, :3] / edge
        assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-9)


def test_layout_is_bids_and_the_adapter_finds_it(cohort: Path) -> None:
    scans = find_scans("phantom", cohort)
    assert [(scan.id, scan.modality, scan.healthy) for scan in scans] == [
        ("sub-healthy01", "CT", True), ("sub-lesion01", "CT", False),
    ]  # fmt: skip
    assert all(path.is_file() for scan in scans for path in scan.inputs) and scans[0].image.name.endswith("_ct.nii.gz")
    assert nib.load(scans[0].image).get_data_dtype() == np.int16
    text = (cohort / "README").read_text()
    assert "SIMULATED" in text and "CT heads in Hounsfield units" in text and "haemorrhages" in text
    assert json.loads(scans[0].image.with_suffix("").with_suffix(".json").read_text())["Simulated"] is True


def test_cohorts_of_two_modalities_do_not_mix(cohort: Path) -> None:
    with pytest.raises(PreprocessingError, match="not empty and not a sample cohort of flair"):
        write_cohort(cohort, healthy=1, lesion=0, progress=False)


def test_unknown_modalities_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PreprocessingError, match="unknown modality 'pet'; available: flair, ct"):
        write_cohort(tmp_path / "raw", modality="pet")


def test_same_arguments_give_the_same_scan(anatomy: Anatomy, subject: Subject) -> None:
    again = simulate(anatomy, 0, "lesion", 3, CT)
    assert hashlib.sha256(again.image.tobytes()).digest() == hashlib.sha256(subject.image.tobytes()).digest()
