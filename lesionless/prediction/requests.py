"""Where each scan is prepared: not at all where a data set has it already, else below the predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lesionless.prediction.preparation import Preparation
from lesionless.prediction.sources import Source, unlabelled
from preprocessing.cohort import ledger
from preprocessing.cohort.scan_request import ScanRequest
from preprocessing.io.files import read_json


def requests_of(sources: Sequence[Source], preparation: Preparation, out: Path) -> list[ScanRequest]:
    """The request of each scan, in the same order.

    A scan of a prepared data set is taken from there if it was prepared as those of the model; otherwise it is prepared
    in `out` from those steps of the data set that are the same.
    """
    found: dict[str, ScanRequest] = {}
    for dataset in {source.dataset for source in sources}:
        scans = [source.scan for source in sources if source.dataset == dataset]
        if dataset is not None:
            there = preparation.requests(scans, dataset)
            found |= {request.scan.id: request for request in there if _is_done(request)}
        rest = [unlabelled(scan) for scan in scans if scan.id not in found]
        found |= {request.scan.id: request for request in preparation.requests(rest, out, dataset)}
    return [found[source.scan.id] for source in sources]


def _is_done(request: ScanRequest) -> bool:
    try:
        return ledger.why(request, read_json(request.path), hashing=True) is None
    except OSError:  # the raw scan is not there any more, which its task will say
        return False
