"""Who is first, and how often, when the patients are drawn again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from pipeline.papers.measured import Measured


def ranking(found: Sequence[Measured], figure: str = "auprc") -> pd.DataFrame:
    """Methods by the mean of a figure over seeds, with the stability of their ranks over resampled patients.

    Supervised references are left out. Ties share their mean rank.

    Args:
        found: measured with `figure`.
        figure: that decides; higher is better.

    Returns:
        Columns `rank`, `method`, `kind`, the figure, `rank_low` and `rank_high`, the 95 % interval of the rank over
        replicates, and `first`, the share of replicates in which it is first.
    """
    known = [one for one in found if one.kind != "supervised" and figure in one.replicates]
    if not known:
        return pd.DataFrame(columns=["rank", "method", "kind", figure, "rank_low", "rank_high", "first"])
    samples = np.array([one.replicates[figure] for one in known])
    ranks = rankdata(-samples[:, ~np.isnan(samples).any(0)], axis=0)
    low, high = np.quantile(ranks, [0.025, 0.975], axis=1, method="inverted_cdf")
    table = pd.DataFrame(
        {
            "method": [one.title for one in known],
            "kind": [one.kind for one in known],
            figure: [float(np.nanmean(one.values[figure])) for one in known],
            "rank_low": low,
            "rank_high": high,
            "first": (ranks == ranks.min(0)).mean(1),
        }
    ).sort_values(figure, ascending=False, ignore_index=True)
    table.insert(0, "rank", np.arange(1, len(table) + 1))
    return table
