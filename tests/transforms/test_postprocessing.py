from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import label, median_filter

from pipeline.errors import PipelineError
from pipeline.inferers import Intensity, Scorer
from pipeline.transforms import AreaOpening, HyperintensityPrior, Median, PositivePart


def volume(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    return torch.rand(6, 1, 12, 10), torch.rand(6, 1, 12, 10) * (torch.rand(6, 1, 12, 10) > 0.2)


@pytest.mark.parametrize("size, slices", [(3, 1), (5, 5), (1, 1), (3, 5)])
def test_median_is_that_of_scipy(size: int, slices: int) -> None:
    anomaly, image = volume()
    expected = median_filter(anomaly[:, 0].numpy(), (slices, size, size), mode="nearest")
    np.testing.assert_array_equal(Median(size, slices)(anomaly, image)[:, 0].numpy(), expected)


def test_even_medians_are_refused() -> None:
    with pytest.raises(PipelineError, match="odd and positive, got 1 x 4 x 4"):
        Median(4)


@pytest.mark.parametrize("threshold", [0.3, 0.6, 0.8, 0.9])
@pytest.mark.parametrize("slices", [1, 2, 6])
def test_opened_map_has_the_large_components_at_every_threshold(threshold: float, slices: int) -> None:
    anomaly, image = (part[:slices] for part in volume())
    opened = AreaOpening(min_ml=0.004, voxel_ml=0.001)(anomaly, image)[:, 0].numpy()
    mask = (anomaly * (image > 0))[:, 0].numpy() >= threshold
    components, number = label(mask, np.ones((3, 3, 3)))
    sizes = np.bincount(components.ravel())
    keep = np.isin(components, [n for n in range(1, number + 1) if sizes[n] >= 4])
    np.testing.assert_array_equal(opened >= threshold, keep)


def test_prior_keeps_what_is_bright() -> None:
    anomaly, image = volume()
    kept = HyperintensityPrior(75)(anomaly, image)
    level = np.percentile(image[image > 0].numpy(), 75)
    assert torch.equal(kept[image >= level], anomaly[image >= level])
    assert not kept[image < level].any()
    assert torch.equal(HyperintensityPrior(0)(anomaly, image)[image > 0], anomaly[image > 0])
    assert torch.equal(HyperintensityPrior()(anomaly, torch.zeros_like(image)), anomaly)
    with pytest.raises(PipelineError, match=r"percentile must be in \[0, 100\], got 101"):
        HyperintensityPrior(101)


def test_steps_are_applied_in_order_and_name_themselves() -> None:
    image = volume()[0] - 0.5
    steps = [PositivePart(), Median(), AreaOpening(0.05, 0.001), HyperintensityPrior()]
    assert ", ".join(map(str, steps)) == (
        "positive part, median 1x3x3, components below 0.05 mL removed, image at least p50 of the brain"
    )
    expected = Median()(PositivePart()(image, image), image)
    assert torch.equal(Scorer(Intensity(), steps[:2]).map(image, None), expected)
    assert torch.equal(Scorer(Intensity()).map(image, None), image)
