from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from synthetic_anatomy import balls

from preprocessing.errors import PreprocessingError
from preprocessing.phantom import write_cohort
from preprocessing.phantom.anatomy import Anatomy, bounding_box, ensure_tissues
from preprocessing.phantom.appearance import draw_contrast, healthy_head
from preprocessing.phantom.cohort import HEALTHY, LESION
from preprocessing.phantom.fields import cubic, generator, linear, random_field, upsample
from preprocessing.phantom.lesions import KINDS, PLAN, Lesions, draw_lesions
from preprocessing.phantom.scanner import draw_scanner, partial_volume
from preprocessing.phantom.subject import Subject, simulate


@pytest.fixture(scope="session")
def anatomy() -> Anatomy:
    return balls()


@pytest.fixture(scope="session")
def tissues(anatomy: Anatomy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tissues") / "tissues.npz"
    anatomy.save(path)
    return path


@pytest.fixture(scope="session")
def cohort(tissues: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two healthy subjects and three with lesions."""
    out = tmp_path_factory.mktemp("cohort") / "raw"
    return write_cohort(out, healthy=2, lesion=3, seed=5, workers=0, progress=False, tissues=tissues)


@pytest.fixture(scope="session")
def lesion_subjects(anatomy: Anatomy) -> list[Subject]:
    return [simulate(anatomy, 0, LESION, index) for index in range(len(PLAN))]


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def volume_ml(mask: np.ndarray, affine: np.ndarray) -> float:
    return float(mask.sum() * abs(np.linalg.det(affine[:3, :3])) / 1000)


def test_layout_is_the_agreed_one(cohort: Path) -> None:
    ids = ["sub-healthy01", "sub-healthy02", "sub-lesion01", "sub-lesion02", "sub-lesion03"]
    lines = [line.split("\t") for line in (cohort / "participants.tsv").read_text().splitlines()]
    assert lines[0][:2] == ["participant_id", "group"]
    assert [line[:2] for line in lines[1:]] == [[name, name[4:-2]] for name in ids]
    for name in ids:
        assert (cohort / name / "anat" / f"{name}_FLAIR.nii.gz").is_file()
        assert (cohort / "derivatives/truth" / name / "anat" / f"{name}_desc-brain_mask.nii.gz").is_file()
        lesion = cohort / "derivatives/lesions" / name / "anat" / f"{name}_label-lesion_mask.nii.gz"
        assert lesion.is_file() == ("lesion" in name)


def test_everything_says_that_it_is_simulated(cohort: Path) -> None:
    assert "Simulated" in json.loads((cohort / "dataset_description.json").read_text())["Name"]
    assert "SIMULATED" in (cohort / "README").read_text()
    sidecars = sorted(cohort.glob("sub-*/anat/*.json"))
    assert len(sidecars) == 5 and all(json.loads(path.read_text())["Simulated"] is True for path in sidecars)


def test_masks_lie_on_the_grid_of_the_scan(cohort: Path) -> None:
    for scan in cohort.glob("sub-*/anat/*.nii.gz"):
        image = nib.Nifti1Image.from_filename(scan)
        for mask in cohort.glob(f"derivatives/*/{scan.parents[1].name}/anat/*.nii.gz"):
            label = nib.Nifti1Image.from_filename(mask)
            assert label.shape == image.shape and np.array_equal(label.affine, image.affine)
            assert label.get_data_dtype() == np.uint8 and set(np.unique(label.dataobj)) == {0, 1}


def test_recorded_volumes_are_those_of_the_masks(cohort: Path) -> None:
    for line in (cohort / "participants.tsv").read_text().splitlines()[3:]:
        name, _, kind, contrast, recorded = line.split("\t")
        mask = nib.Nifti1Image.from_filename(next(cohort.glob(f"derivatives/lesions/{name}/anat/*.nii.gz")))
        assert float(recorded) == pytest.approx(volume_ml(np.asarray(mask.dataobj), mask.affine), abs=1e-3)
        assert (kind, contrast) == PLAN[int(name[-2:]) - 1]


def test_subject_does_not_depend_on_counts_or_on_workers(cohort: Path, tissues: Path, tmp_path: Path) -> None:
    other = write_cohort(tmp_path / "x", healthy=0, lesion=1, seed=5, workers=2, progress=False, tissues=tissues)
    small, large = digests(other), digests(cohort)
    assert small.pop("participants.tsv") != large["participants.tsv"]
    assert small.items() <= large.items()
    third = write_cohort(tmp_path / "y", healthy=0, lesion=1, seed=6, workers=0, progress=False, tissues=tissues)
    scan = "sub-lesion01/anat/sub-lesion01_FLAIR.nii.gz"
    assert digests(third)[scan] != small[scan]


def test_interrupted_cohort_is_continued_with_the_same_bytes(cohort: Path, tissues: Path, tmp_path: Path) -> None:
    arguments = {"healthy": 0, "lesion": 2, "seed": 5, "workers": 0, "progress": False, "tissues": tissues}
    out = write_cohort(tmp_path / "raw", **arguments)
    expected = digests(out)
    (out / "sub-lesion01/anat/sub-lesion01_FLAIR.json").unlink()
    (out / "derivatives/truth/sub-lesion02/anat/sub-lesion02_desc-brain_mask.nii.gz").unlink()
    (out / "sub-lesion01/anat/sub-lesion01_FLAIR.nii.gz").write_bytes(b"cut off")
    (out / "sub-lesion01/anat/.tmp-half").write_bytes(b"half")
    (out / "participants.tsv").unlink()
    assert digests(write_cohort(out, **arguments)) == expected


def test_complete_subjects_are_not_written_again(cohort: Path, tissues: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("simulated again")

    monkeypatch.setattr("preprocessing.phantom.subject_files.simulate", refuse)
    before = digests(cohort)
    write_cohort(cohort, healthy=2, lesion=3, seed=5, workers=0, progress=False, tissues=tissues)
    assert digests(cohort) == before


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"healthy": -1}, "healthy -1 must be 0 or more"),
        ({"lesion": -2}, "lesion -2 must be 0 or more"),
        ({"seed": -3}, "seed -3 must be 0 or more"),
        ({"healthy": 0, "lesion": 0}, "a cohort needs a subject"),
    ],
)
def test_impossible_cohorts_are_refused(arguments: dict[str, int], match: str, tmp_path: Path) -> None:
    with pytest.raises(PreprocessingError, match=match):
        write_cohort(tmp_path / "raw", **arguments)
    assert not (tmp_path / "raw").exists()


def test_folder_with_other_content_is_refused(tissues: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(PreprocessingError, match="not empty and not a sample cohort"):
        write_cohort(tmp_path, healthy=1, lesion=0, tissues=tissues)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_file_that_holds_no_tissue_maps_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tissues.npz").write_bytes(b"no")
    with pytest.raises(PreprocessingError, match="not a file of tissue maps"):
        Anatomy.load(tmp_path / "tissues.npz")


def test_tissue_maps_survive_the_disk(anatomy: Anatomy, tissues: Path) -> None:
    loaded = Anatomy.load(tissues)
    assert all(np.array_equal(getattr(loaded, key), value) for key, value in vars(anatomy).items() if key[0] != "_")


def test_brain_lies_in_the_head_and_lesions_in_the_brain(anatomy: Anatomy, lesion_subjects: list[Subject]) -> None:
    expected = volume_ml(anatomy.brain, anatomy.affine)
    for subject in lesion_subjects:
        assert subject.lesion is not None and not (subject.lesion > subject.brain).any()
        assert volume_ml(subject.brain, subject.affine) == pytest.approx(expected, rel=0.3)
        air = np.median(subject.image[subject.brain == 0])
        assert np.median(subject.image[subject.brain > 0]) > 4 * max(air, 1e-6)
        low, high = (
            np.array(edge) for edge in zip(*[(s.start, s.stop) for s in bounding_box(subject.brain)], strict=True)
        )
        assert (low > 0).all() and (high < subject.brain.shape).all()


def test_volumes_are_those_of_the_kinds(lesion_subjects: list[Subject]) -> None:
    volumes = [subject.facts["LesionVolumeMl"] for subject in lesion_subjects]
    assert all(0.3 < volume < 90 for volume in volumes)
    for subject, volume in zip(lesion_subjects, volumes, strict=True):
        low, high = KINDS[subject.facts["LesionKind"]].ml
        assert 0.5 * low < volume < 1.6 * high


def test_healthy_subjects_have_no_lesion(anatomy: Anatomy) -> None:
    subject = simulate(anatomy, 0, HEALTHY, 0)
    assert subject.lesion is None and subject.facts["LesionVolumeMl"] == 0 and subject.facts["LesionKind"] is None


def test_same_arguments_give_the_same_subject(anatomy: Anatomy, lesion_subjects: list[Subject]) -> None:
    again = simulate(anatomy, 0, LESION, 1)
    assert np.array_equal(again.image, lesion_subjects[1].image)
    assert np.array_equal(again.affine, lesion_subjects[1].affine)
    assert again.lesion is not None and np.array_equal(again.lesion, lesion_subjects[1].lesion)


def test_scanners_differ_in_every_respect(anatomy: Anatomy) -> None:
    scanners = [draw_scanner(0, HEALTHY, index, anatomy.head_box[1]) for index in range(48)]
    assert len({nib.aff2axcodes(s.affine) for s in scanners}) == 48
    edges = np.array([np.linalg.norm(s.affine[:3, :3], axis=0) for s in scanners])
    assert edges.min() >= 0.99 and edges.max() <= 3.01
    ratio = edges.max(axis=1) / edges.min(axis=1)
    assert (ratio < 1.01).any() and (ratio > 2).any()
    oblique = [
        np.abs(s.affine[:3, :3] / edge).max(axis=0).min() < 0.999 for s, edge in zip(scanners, edges, strict=True)
    ]
    assert any(oblique) and not all(oblique)
    assert {s.dtype for s in scanners} == {"int16", "float32"}
    assert min(s.scale for s in scanners) == 1 and max(s.scale for s in scanners) > 3000


def test_affines_are_rotations_and_edges(lesion_subjects: list[Subject]) -> None:
    for subject in lesion_subjects:
        linear_part = subject.affine[:3, :3] / np.linalg.norm(subject.affine[:3, :3], axis=0)
        assert np.allclose(linear_part.T @ linear_part, np.eye(3), atol=1e-9)


def test_order_of_the_tissues_is_that_of_flair(anatomy: Anatomy) -> None:
    for index in range(4):
        head = healthy_head(anatomy, draw_contrast(0, HEALTHY, index), (0, HEALTHY, index))
        csf, grey, white = (np.median(head[getattr(anatomy, name) == 255]) for name in ("csf", "grey", "white"))
        assert csf < 0.2 < white < grey < 0.75


def test_lesions_change_the_head_where_they_are(anatomy: Anatomy) -> None:
    lesions = draw_lesions(anatomy, (0, LESION, 0))
    head = healthy_head(anatomy, draw_contrast(0, LESION, 0), (0, LESION, 0))
    painted = lesions.paint(head, 0.6, 0.1)
    assert np.array_equal(painted[lesions.soft == 0], head[lesions.soft == 0])
    assert (painted - head)[lesions.soft > 0.8].mean() > 0.2
    assert not lesions.soft[(anatomy.csf == 255) | (anatomy.brain == 0)].any()


def test_core_is_dark_and_inside() -> None:
    soft, level, core = (np.full((1, 1, 2), value, np.float32) for value in (1.0, 1.5, 1.0))
    core[0, 0, 0] = 0
    painted = Lesions(soft, level, core, "tumour", "bright", 0.0).paint(np.full((1, 1, 2), 0.5, np.float32), 0.6, 0.1)
    assert painted.ravel() == pytest.approx([0.9, 0.1])


def test_most_lesions_cross_the_central_slices(anatomy: Anatomy, lesion_subjects: list[Subject]) -> None:
    middle = anatomy.brain.shape[2] // 2
    near = slice(middle - 5, middle + 6)  # ±15 mm
    softs = [draw_lesions(anatomy, (0, LESION, index)).soft > 0.5 for index in range(len(PLAN))]
    assert np.mean([soft[:, :, near].sum() / soft.sum() > 0.3 for soft in softs]) > 0.7


def test_lesions_are_irregular(anatomy: Anatomy) -> None:
    def surface(mask: np.ndarray) -> int:
        return int(mask.sum() - ndimage.binary_erosion(mask).sum())

    ragged = draw_lesions(anatomy, (0, LESION, 1)).soft > 0.5
    distance = np.linalg.norm(np.indices(ragged.shape) - 25.5, axis=0)
    ball = distance <= np.sort(distance.ravel())[ragged.sum()]
    assert surface(ragged) > 1.25 * surface(ball)


def test_streams_depend_on_each_argument() -> None:
    draws = {
        generator(*arguments).random()
        for arguments in [
            (0, "healthy", 0, "a"),
            (1, "healthy", 0, "a"),
            (0, "lesion", 0, "a"),
            (0, "healthy", 1, "a"),
            (0, "healthy", 0, "b"),
        ]
    }
    assert len(draws) == 5


@pytest.mark.parametrize(("weights", "taps"), [(linear, 2), (cubic, 4)])
def test_weights_sum_to_one_and_keep_straight_lines(weights: object, taps: int) -> None:
    t = np.linspace(0, 0.99, 7)
    values = weights(t)  # type: ignore[operator]
    assert len(values) == taps and np.allclose(sum(values), 1)
    ramp = np.arange(8.0)[:, None, None] * np.ones((1, 8, 8))
    places = [np.linspace(0, 4.5, 10)] * 3
    out = upsample(ramp, places, weights)  # type: ignore[arg-type]
    assert np.allclose(out[:, 0, 0], places[0] + (taps == 4), atol=1e-5)


def test_random_field_has_unit_variance_and_is_smooth() -> None:
    field = random_field(np.random.default_rng(0), (80, 80, 80), 5.0)
    assert field.std() == pytest.approx(1, abs=0.08) and abs(field.mean()) < 0.1
    assert np.abs(np.diff(field, axis=0)).std() < 0.4


def test_thick_slices_average_without_loss() -> None:
    volume = np.zeros((9, 9, 9), np.float32)
    volume[4, 4, 4] = 3
    thick = partial_volume(volume, np.array([1.0, 1.0, 3.0]), np.ones(3))
    assert thick[4, 4].tolist() == pytest.approx([0, 0, 0, 1, 1, 1, 0, 0, 0])
    assert np.array_equal(partial_volume(volume, np.ones(3), np.ones(3)), volume)


def test_contrasts_are_ordered() -> None:
    from preprocessing.phantom.lesions import CONTRASTS

    assert all(low[1] < high[0] for low, high in pairwise(CONTRASTS.values()))
    assert {kind for kind, _ in PLAN} == set(KINDS) and {contrast for _, contrast in PLAN} == set(CONTRASTS)


@pytest.mark.network
@pytest.mark.slow
def test_real_tissues(tmp_path: Path) -> None:
    from preprocessing.space.atlas import ensure_atlas

    anatomy = Anatomy.load(ensure_tissues(ensure_atlas(cache=tmp_path / "cache"), tmp_path))
    litres = {
        name: getattr(anatomy, name).astype(float).sum() / 255e6 for name in ("csf", "grey", "white", "ventricles")
    }
    assert 0.2 < litres["csf"] < 0.4 and 0.6 < litres["grey"] < 0.8 and 0.35 < litres["white"] < 0.55
    assert 0.02 < litres["ventricles"] < 0.05
    total = sum(getattr(anatomy, name).astype(int) for name in ("csf", "grey", "white"))
    assert abs(total - 255 * (anatomy.brain > 0)).max() <= 2
