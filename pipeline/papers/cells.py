"""A table of a paper as cells: what was measured here, what was published, and the difference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipeline.papers.measured import Measured, best
from pipeline.papers.published import PaperTable

NOT_SEPARABLE = "not separable from the best"


def cells(table: PaperTable, found: Sequence[Measured]) -> pd.DataFrame:
    """One row a published data set, method and figure; floors that the paper lacks and methods that did not run, too.

    Columns: `data`, `method`, `label`, `kind`, `figure`, `seeds`; `measured`, the mean over seeds, `measured_sd` over
    seeds, `low` and `high`, the 95 % interval over patients; `published`, `published_sd`, `difference`, measured less
    published; `best`, the best value, which the paired interval tells from all others; `not_separable`, from the best.
    """
    rows = []
    theirs = set(table.values["method"])
    known = {one.method: one for one in found if one.kind == "floor" or one.method in theirs}
    found = list(known.values())
    standing = {figure: best(found, figure) for figure in table.figures}
    for data, published in table.values.groupby("data", sort=False):
        labels = dict.fromkeys(zip(published["method"], published["label"], strict=True))
        floors = [
            (one.method, "") for one in found if one.kind == "floor" and one.method not in set(published["method"])
        ]
        for method, label in [*labels, *floors]:
            values = published[(published["method"] == method) & (published["label"] == label)].set_index("figure")
            one = known.get(method)
            title = label or (one.title if one else method)
            for figure in table.figures:
                row = {"data": data, "method": method, "label": title, "kind": one.kind if one else "not run"}
                row |= {
                    "figure": figure,
                    **_here(one, figure),
                    **_there(values, figure),
                    **_rank(one, *standing[figure]),
                }
                rows.append(row)
    frame = pd.DataFrame(rows)
    return frame.assign(difference=frame["measured"] - frame["published"])


def _here(one: Measured | None, figure: str) -> dict[str, float]:
    if one is None or not np.isfinite(one.values[figure]).any():
        return {"seeds": 0, "measured": np.nan, "measured_sd": np.nan, "low": np.nan, "high": np.nan}
    values = one.values[figure][np.isfinite(one.values[figure])]
    low, high = one.interval(figure)
    deviation = float(values.std(ddof=1)) if len(values) > 1 else np.nan
    return {"seeds": len(values), "measured": float(values.mean()), "measured_sd": deviation, "low": low, "high": high}


def _there(values: pd.DataFrame, figure: str) -> dict[str, float]:
    known = figure in values.index
    value, deviation = (float(values.at[figure, key]) if known else np.nan for key in ("value", "sd"))
    return {"published": value, "published_sd": deviation}


def _rank(one: Measured | None, first: str, together: Sequence[str]) -> dict[str, bool]:
    is_first = one is not None and one.method == first
    return {
        "best": is_first and not together,
        "not_separable": bool(together) and one is not None and (is_first or one.title in together),
    }
