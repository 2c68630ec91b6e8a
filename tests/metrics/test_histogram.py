from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from metric_samples import MAPS, counted, sample
from monai.data import MetaTensor

from pipeline.errors import PipelineError
from pipeline.metrics import ScoreHistogram, auroc, average_precision, histogram, merge
from pipeline.metrics.threshold_rules import operating_point, percentile

SCANS = ["a", "b", "c"]


def batch(seed: int = 0, rows: int = 12) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[str]]:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn((rows, 1, 9, 7), generator=generator)
    lesion, support = torch.rand((2, rows, 1, 9, 7), generator=generator) < torch.tensor([0.2, 0.7]).view(2, 1, 1, 1, 1)
    return scores, lesion, support, [SCANS[row % 3] for row in range(rows)]


def whole(seed: int = 0) -> ScoreHistogram:
    counts = ScoreHistogram()
    counts.update(*batch(seed))
    return counts


@pytest.mark.parametrize("size", [1, 5, 12])
def test_order_and_size_of_batches_do_not_matter(size: int) -> None:
    scores, lesion, support, scans = batch()
    order = np.random.default_rng(size).permutation(len(scans))
    parts = ScoreHistogram()
    for rows in np.split(order, range(size, len(order), size)):
        parts.update(scores[rows], lesion[rows], support[rows], [scans[row] for row in rows])
    assert parts.digest() == whole().digest()


def test_chunks_and_int32_limit_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(histogram.CHUNK, "cpu", 10)
    monkeypatch.setattr(histogram, "MAX_COUNT", 25)
    small = whole()
    monkeypatch.undo()
    assert small.digest() == whole().digest()


def test_counts_are_those_of_the_pixels() -> None:
    scores, lesion, support, scans = batch()
    rows = [row for row, scan in enumerate(scans) if scan == "b"]
    counts = whole().scan("b")
    inside = support[rows]
    assert counts.n_positive == int((lesion[rows] & inside).sum())
    assert counts.n_negative == int((~lesion[rows] & inside).sum())
    assert counts.lower.min() <= scores[rows][inside].min()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32])
def test_kinds_of_labels_and_tensors_are_read_alike(dtype: torch.dtype) -> None:
    scores, lesion, support, scans = batch()
    other = ScoreHistogram()
    other.update(MetaTensor(scores.double()), lesion.to(dtype), support.to(dtype), scans)
    assert other.digest() == whole().digest()


def test_a_view_with_gaps_is_read_like_its_copy() -> None:
    scores, lesion, support, scans = batch()
    turned = ScoreHistogram()
    turned.update(scores.mT.contiguous().mT, lesion.mT.contiguous().mT, support, scans)
    assert turned.digest() == whole().digest()


def test_no_label_means_normal_and_no_support_means_all() -> None:
    scores, _, _, scans = batch()
    counts = ScoreHistogram()
    counts.update(scores, None, None, scans)
    assert counts.pooled().n_positive == 0
    assert counts.pooled().n_negative == scores.numel()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused_by_scan(value: float) -> None:
    scores, lesion, support, scans = batch()
    scores[4, 0, 2, 2], support[4, 0, 2, 2] = value, True
    with pytest.raises(PipelineError, match=f"scan '{scans[4]}' has NaN or infinite scores"):
        ScoreHistogram().update(scores, lesion, support, scans)


def test_nan_outside_the_support_is_not_looked_at() -> None:
    scores, lesion, support, scans = batch()
    counts = ScoreHistogram()
    counts.update(torch.where(support, scores, torch.nan), lesion, support, scans)
    assert counts.digest() == whole().digest()


def test_labels_other_than_0_and_1_are_refused_by_scan() -> None:
    scores, lesion, _, scans = batch()
    labels = lesion.int()
    labels[1, 0, 0, 0] = 2
    with pytest.raises(PipelineError, match="scan 'b' has label values other than 0 and 1"):
        ScoreHistogram().update(scores, labels, None, scans)


def test_shapes_and_ids_have_to_fit() -> None:
    scores, lesion, support, scans = batch()
    with pytest.raises(PipelineError, match="12 maps came with 11 scan ids"):
        ScoreHistogram().update(scores, lesion, support, scans[:-1])
    with pytest.raises(PipelineError, match=r"lesion has shape \[12, 1, 9, 6\] and the scores \[12, 1, 9, 7\]"):
        ScoreHistogram().update(scores, lesion[..., :-1], support, scans)


def test_empty_support_is_refused_by_scan() -> None:
    scores, lesion, support, scans = batch()
    support[[row for row, scan in enumerate(scans) if scan == "c"]] = False
    counts = ScoreHistogram()
    counts.update(scores, lesion, support, scans)
    with pytest.raises(PipelineError, match="scan 'c' has an empty support"):
        counts.pooled()


def test_unknown_scan_and_nothing_counted() -> None:
    with pytest.raises(PipelineError, match="unknown scan 'x'; available: a, b, c"):
        whole().scan("x")
    with pytest.raises(PipelineError, match="no scan was counted"):
        ScoreHistogram().pooled()


def test_reset_and_select() -> None:
    counts = whole()
    assert counts.select(["c"]).scans == ["c"]
    counts.reset()
    assert counts.scans == []


@pytest.mark.parametrize("name", [*MAPS])
def test_a_file_holds_all(name: str, tmp_path) -> None:
    counts = counted(*sample(name), voxel_ml=0.5)
    read = ScoreHistogram.load(counts.save(tmp_path / "new" / "test.npz"))
    assert read.digest() == counts.digest()
    assert read.voxel_ml("a") == 0.5
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["test.npz"]


def test_files_are_identical_for_identical_counts(tmp_path) -> None:
    one, two = (whole().save(tmp_path / name).read_bytes() for name in ("one.npz", "two.npz"))
    assert one == two


def test_other_files_are_refused(tmp_path) -> None:
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    (tmp_path / "text.npz").write_text("no histogram")
    for name in ("other.npz", "text.npz"):
        with pytest.raises(PipelineError, match=f"{name} is not a score histogram of version 1"):
            ScoreHistogram.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        ScoreHistogram.load(tmp_path / "none.npz")


def test_damaged_counts_are_refused(tmp_path) -> None:
    data = dict(np.load(whole().save(tmp_path / "x.npz")))
    for name in ("bins", "positives"):
        np.savez(tmp_path / "x.npz", **{**data, name: -data[name]})
        with pytest.raises(PipelineError, match="x.npz is damaged: scan 'a' has impossible counts"):
            ScoreHistogram.load(tmp_path / "x.npz")


def test_sites_pool_as_if_counted_together() -> None:
    sites = [whole().select([scan]) for scan in SCANS]
    assert merge(*sites).digest() == whole().digest()


def test_a_scan_that_comes_twice_counts_once() -> None:
    assert merge(whole(), whole().select(["b"])).digest() == whole().digest()


def test_two_scans_of_one_name_are_refused_until_they_are_renamed() -> None:
    with pytest.raises(PipelineError, match="scan 'a' comes twice with different pixels"):
        merge(whole(0), whole(1))
    pooled = merge(whole(0).with_prefix("north/"), whole(1).with_prefix("south/"))
    assert pooled.scans[::3] == ["north/a", "south/a"]


def test_histograms_of_another_kind_are_refused() -> None:
    with pytest.raises(PipelineError, match="20 bits on 'brain', 20 bits on 'frame'"):
        merge(whole(), ScoreHistogram(support="frame"))
    with pytest.raises(PipelineError, match="no histogram to merge"):
        merge()


@pytest.mark.gpu
def test_cuda_counts_like_the_cpu_and_never_waits_for_a_batch() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    scores, lesion, support, scans = (item.cuda() if isinstance(item, torch.Tensor) else item for item in batch())
    rows = [row for row, scan in enumerate(scans) if scan != "c"]
    counts, expected = ScoreHistogram(), ScoreHistogram()
    parts = scores[rows], lesion[rows].int(), support[rows], [scans[row] for row in rows]
    torch.cuda.set_sync_debug_mode("error")
    try:
        counts.update(*parts)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    expected.update(*(part.cpu() if isinstance(part, torch.Tensor) else part for part in parts))
    assert counts.digest() == expected.digest()
    with pytest.raises(PipelineError, match="scan 'a' has NaN"):
        counts.update(scores * torch.nan, lesion, support, scans)
        counts.pooled()


@pytest.mark.gpu
def test_100_million_pixels_on_cuda_are_counted_like_on_the_cpu_and_waited_for_once_in_four_scans() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    generator = torch.Generator().manual_seed(0)
    on_cuda, on_cpu, waits = ScoreHistogram(), ScoreHistogram(), 0
    for index in range(50):
        scores = 28 * torch.rand((2, 1, 1000, 1000), generator=generator) ** 4 - 1
        lesion = torch.rand(scores.shape, generator=generator) < 0.03
        given = scores.cuda(), lesion.cuda()
        torch.cuda.set_sync_debug_mode("warn")
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            on_cuda.update(*given, None, 2 * [f"scan-{index:02}"])
        torch.cuda.set_sync_debug_mode("default")
        waits += bool(found)
        on_cpu.update(scores, lesion, None, 2 * [f"scan-{index:02}"])
    assert waits == 12, "the tables of four scans are compacted together: before scans 5, 9, …, 49"
    assert on_cuda.digest() == on_cpu.digest()
    assert average_precision(on_cuda.pooled()) == average_precision(on_cpu.pooled())
    assert auroc(on_cuda.pooled()) == auroc(on_cpu.pooled())
    assert operating_point(on_cuda) == operating_point(on_cpu)
    normals = [ScoreHistogram(), ScoreHistogram()]
    for histogram_, device in zip(normals, ("cuda", "cpu"), strict=True):
        histogram_.update(scores.to(device), None, None, 2 * ["normal"])
    for q in (90, 95, 98):
        assert percentile(normals[0], q) == percentile(normals[1], q)
