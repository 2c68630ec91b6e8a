"""Cost of exported bundles: `python benchmarks/export.py BUNDLE… [--scan PREPARED.nii.gz] [--document docs/EXPORT.md]`.

Prints a markdown table: the scorer of each bundle in Python, as TorchScript and as ONNX, each in a process of its own
that loads nothing else, one after another in rounds. Seconds are CPU seconds of one thread, the least of the rounds, so
that other work on the machine counts little. `--document` puts the table into that document, where a comment names it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

WAYS = {"Python": "model.pt", "TorchScript": "model.ts", "ONNX": "model.onnx"}
WORK = Path("build") / "export"
HEAD = "| method | scorer | file, MB | loading, s | a scan, s | peak memory, MB | largest difference |\n"
Run = Callable[[np.ndarray], np.ndarray]


def python(bundle: Path) -> Run:
    import torch

    from pipeline.export.served import load_scorer

    scorer = torch.no_grad()(load_scorer(bundle).forward)
    return lambda image: scorer(torch.from_numpy(image)).numpy()


def torchscript(bundle: Path) -> Run:
    import torch

    program = torch.no_grad()(torch.jit.load(bundle / "models" / "model.ts").forward)
    return lambda image: program(torch.from_numpy(image)).numpy()


def onnx(bundle: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession((bundle / "models" / "model.onnx").read_bytes(), options)
    return lambda image: session.run(None, {"image": image})[0]


LOADERS = {"Python": python, "TorchScript": torchscript, "ONNX": onnx}


def measure(bundle: Path, way: str, image: Path) -> None:
    """Load, score the scan twice, and print the cost; the map is left beside the image."""
    began = time.process_time()
    run, loaded = LOADERS[way](bundle), time.process_time()
    array, seconds = np.load(image), []
    for _ in range(2):
        start = time.process_time()
        found = run(array)
        seconds.append(time.process_time() - start)
    np.save(image.with_name(f"{way}.npy"), found)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"loading": loaded - began, "seconds": min(seconds), "peak": peak}))


def in_process(bundle: Path, way: str, image: Path) -> dict[str, float]:
    command = [sys.executable, __file__, str(bundle), "--way", way, "--scan", str(image)]
    path = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def rows(bundle: Path, scan: Path | None, rounds: int) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.npy"
        np.save(image, _image(bundle, scan))
        ways = [way for way, name in WAYS.items() if way == "Python" or (bundle / "models" / name).is_file()]
        costs = [{way: in_process(bundle, way, image) for way in ways} for _ in range(rounds)]
        maps = {way: np.load(image.with_name(f"{way}.npy")) for way in ways}
    method = json.loads((bundle / "bundle.json").read_text())["method"]
    lines = []
    for way in ways:
        size = (bundle / "models" / WAYS[way]).stat().st_size / 1e6
        loading, seconds, peak = (min(cost[way][key] for cost in costs) for key in ("loading", "seconds", "peak"))
        apart = "" if way == "Python" else f"{np.abs(maps[way] - maps['Python']).max():.1e}"
        lines.append(f"| `{method}` | {way} | {size:.1f} | {loading:.1f} | {seconds:.1f} | {peak:.0f} | {apart} |")
    whole = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file()) / 1e6
    return [*lines, f"| `{method}` | the whole bundle | {whole:.1f} | | | | |"]


def _image(bundle: Path, scan: Path | None) -> np.ndarray:
    """[1, 1, X, Y, Z] of a prepared scan, or a brain of noise."""
    from pipeline.export.files import probe
    from pipeline.export.scorer_network import AtlasGrid
    from pipeline.export.served import check_bundle

    if scan is None:
        return probe(AtlasGrid(**check_bundle(bundle)["grid"]), 1).numpy()
    import nibabel as nib

    return np.asarray(nib.load(scan).dataobj, np.float32)[None, None]


def put(document: Path, table: str) -> None:
    from pipeline.files import write_text
    from pipeline.papers.document import fill

    write_text(WORK / "cost.md", table)
    fill(document, WORK, [WORK / "cost.md"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", type=Path, nargs="+")
    parser.add_argument("--scan", type=Path, help="prepared scan, on the grid of the atlas; default: a brain of noise")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--document", type=Path)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        measure(given.bundles[0], given.way, given.scan)
        return
    lines = [line for bundle in given.bundles for line in rows(bundle, given.scan, given.rounds)]
    table = HEAD + "|---|---|---:|---:|---:|---:|---:|\n" + "\n".join(lines) + "\n"
    print(table)
    if given.document:
        put(given.document, table)


if __name__ == "__main__":
    main()
