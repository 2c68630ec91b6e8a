"""Lesion-wise figures are those of Panoptica, an independent implementation."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from panoptica_reference import FILE, masks, parts

from pipeline.metrics import lesion_counts, mask_overlap

REFERENCE = pd.read_csv(FILE)


def cases(kind: str) -> list[dict[str, float]]:
    return REFERENCE[REFERENCE["kind"] == kind].to_dict("records")


@pytest.mark.parametrize("row", cases("apart"), ids=lambda row: f"case {row['case']:.0f}")
def test_lesions_found_missed_and_false_are_those_of_panoptica(row: dict[str, float]) -> None:
    label, mask = masks(int(row["case"]))
    counts = lesion_counts(mask, label, spacing=(1.0, 1.0, 1.0))
    assert (counts.found, counts.false, counts.lesions - counts.found) == (row["tp"], row["fp"], row["fn"])
    assert counts.f1 == pytest.approx(row["f1"], abs=1e-12)
    assert mask_overlap(torch.from_numpy(mask), torch.from_numpy(label)).dice == pytest.approx(row["dice"], abs=1e-7)


@pytest.mark.parametrize("row", cases("split"), ids=lambda row: f"case {row['case']:.0f}")
def test_a_lesion_that_is_found_in_pieces_is_found_once(row: dict[str, float]) -> None:
    whole, broken = parts(int(row["case"]))
    counts = lesion_counts(broken, whole, spacing=(1.0, 1.0, 1.0))
    assert counts.objects > counts.found + counts.false, "there are pieces"
    assert (counts.found, counts.false, counts.lesions - counts.found) == (row["tp"], row["fp"], row["fn"])
    assert mask_overlap(torch.from_numpy(broken), torch.from_numpy(whole)).dice == pytest.approx(row["dice"], abs=1e-7)


@pytest.mark.parametrize("row", cases("merged"), ids=lambda row: f"case {row['case']:.0f}")
def test_lesions_under_one_object_are_all_found_where_panoptica_finds_one(row: dict[str, float]) -> None:
    """Panoptica gives an object to one lesion. Here every lesion that is touched is found; the others must agree."""
    whole, broken = parts(int(row["case"]))
    counts = lesion_counts(whole, broken, spacing=(1.0, 1.0, 1.0))
    merging = counts.objects - counts.false
    assert (merging, counts.false) == (row["tp"], row["fp"]) and counts.found > merging
    assert counts.lesions == row["tp"] + row["fn"]
