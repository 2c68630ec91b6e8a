"""Lesion-wise figures are those of Panoptica, an independent implementation."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from panoptica_reference import FILE, masks

from pipeline.metrics import lesion_counts, mask_overlap

REFERENCE = pd.read_csv(FILE).to_dict("records")


@pytest.mark.parametrize("row", REFERENCE, ids=lambda row: f"case {row['case']:.0f}")
def test_lesions_found_missed_and_false_are_those_of_panoptica(row: dict[str, float]) -> None:
    label, mask = masks(int(row["case"]))
    counts = lesion_counts(mask, label, spacing=(1.0, 1.0, 1.0))
    assert (counts.found, counts.false, counts.lesions - counts.found) == (row["tp"], row["fp"], row["fn"])
    assert counts.f1 == pytest.approx(row["f1"], abs=1e-12)
    assert mask_overlap(torch.from_numpy(mask), torch.from_numpy(label)).dice == pytest.approx(row["dice"], abs=1e-7)
