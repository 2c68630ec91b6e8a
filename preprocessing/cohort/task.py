"""The task that every executor runs: one request in, one status file and its derivatives out."""

from __future__ import annotations

import platform
import time

from preprocessing.cohort import ledger
from preprocessing.cohort.ledger import Record
from preprocessing.cohort.scan_request import ScanRequest
from preprocessing.cohort.steps import run_steps
from preprocessing.dataset import derivatives
from preprocessing.dataset.pseudo_volume import slice_areas
from preprocessing.errors import OutputError, PreprocessingError, reason
from preprocessing.io.files import read_json, remove_temporaries, sha256_json


def process(request: ScanRequest) -> Record:
    """Prepare one scan, unless it is done; never raises for what is wrong with the scan, the record says it.

    The record has `state` (done or failed), `reason`, `request`, `key` (request and content of the input), `inputs`,
    `outputs` (path → bytes), `checks`, `areas` (voxels of brain and lesion in each slice), `seconds`.


    Raises:
        OutputError: the data set cannot be written, or is not there on this machine.
    """
    known = read_json(request.path)  # done, where an executor lost the result together with the worker
    if known is not None and ledger.why(request, known, hashing=True) is None:
        return known
    started = time.monotonic()
    record: Record = {"id": request.scan.id, "state": "failed", "reason": None, "request": request.digest}
    if not request.path.parent.is_dir():
        raise OutputError(f"{request.out}: not there on {platform.node()}; every worker needs the same file system")
    try:
        remove_temporaries(request.out / derivatives.folder(request.scan))
        record |= _prepare(request)
    except OutputError:
        raise
    except Exception as error:  # one scan must not stop the others; the reason goes to the ledger
        record["reason"] = reason(error)
    record["seconds"] = round(time.monotonic() - started, 2)
    ledger.write(request, record)
    return record


def _prepare(request: ScanRequest) -> Record:
    scan = request.scan
    missing = [path for path in scan.inputs if not path.is_file()]
    if missing:
        raise PreprocessingError(f"{missing[0]}: no such file")
    inputs = ledger.inputs(scan)
    content = sha256_json([file["sha256"] for file in inputs])
    data = run_steps(request, content)
    outputs = derivatives.write(request.out, scan, data, request.config["atlas"]["space"])
    return {
        "state": "done",
        "key": sha256_json([request.digest, content]),
        "input_sha256": content,
        "inputs": inputs,
        "outputs": outputs,
        "checks": data["checks"],
        "areas": {key: slice_areas(data[key][0].numpy()) for key in ("brain", "lesion") if key in data},
    }
