"""What attention maps show of lesions and of the image, for each residual stage of an encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pipeline.attention import STAGES
from pipeline.metrics.curves import average_precision
from pipeline.metrics.histogram import ScoreHistogram

# `map`, `cam`, `min_max` [4, P]: activation map, Grad-CAM, and the latter min-max normalised in each slice; `image`,
# `lesion` [P], P pixels of a scan; `gap` [4, slices], log|B| − H in nats.
StagePixels = dict[str, torch.Tensor]


def stage_figures(scans: Sequence[StagePixels]) -> list[dict[str, float]]:
    """Figures of the maps of each stage, over the pixels of all scans.

    `auprc` and `gradcam_auprc` are average precisions of `map` and of `min_max`, `intensity_correlation` and
    `gradcam_correlation` Pearson's of `map` with `image` and with `cam`, `entropy_gap` the mean of `gap`.

    Args:
        scans: one entry a scan, with P pixels each, which may differ.

    Example:
        >>> maps = torch.tensor([[0.1, 0.2, 0.9]]).expand(4, 3)
        >>> lesion, gap = torch.tensor([False, False, True]), torch.ones(4, 2)
        >>> scan = {"map": maps, "cam": maps, "min_max": maps, "gap": gap, "image": maps[0], "lesion": lesion}
        >>> first = stage_figures([scan])[0]
        >>> first["stage"], first["auprc"], first["entropy_gap"]
        (1, 1.0, 1.0)
    """
    whole = {key: torch.cat([scan[key] for scan in scans], dim=-1) for key in scans[0]}
    return [
        {
            "stage": stage,
            "auprc": _precision(whole["map"][i], whole["lesion"]),
            "gradcam_auprc": _precision(whole["min_max"][i], whole["lesion"]),
            "intensity_correlation": _correlation(whole["map"][i], whole["image"]),
            "gradcam_correlation": _correlation(whole["map"][i], whole["cam"][i]),
            "entropy_gap": float(whole["gap"][i].mean()),
        }
        for i, stage in enumerate(STAGES)
    ]


def _precision(scores: torch.Tensor, lesion: torch.Tensor) -> float:
    histogram = ScoreHistogram(bits=22)  # maps of deep stages hardly vary
    histogram.update(scores[None], lesion[None], None, ["all"])
    return average_precision(histogram.pooled()).value


def _correlation(one: torch.Tensor, two: torch.Tensor) -> float:
    """Pearson's; nan where one of them is flat."""
    pair = torch.stack([one, two]).double()
    pair = pair - pair.mean(dim=1, keepdim=True)
    return float((pair[0] @ pair[1]) / (pair[0].norm() * pair[1].norm()))
