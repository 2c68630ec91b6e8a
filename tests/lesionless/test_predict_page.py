"""The pages of predictions, read by a browser without a network: what they show is what Python computed."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from packed_model import MOVE, Packed
from synthetic_brain import HeadWriter
from test_predict import predict

from lesionless.prediction.page.cohort import write_cohort_page
from lesionless.prediction.page.levels import levels
from pipeline.metrics import Threshold
from pipeline.predict.native import Grid, NativeScores

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    *("--headless=new", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    *("--enable-logging=stderr", "--v=0", "--virtual-time-budget=60000", "--dump-dom"),
)


def browse(page: Path, state: str) -> dict[str, str]:
    """What the page says of itself after it was opened in a state: the data of its body."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    address = f"{page.resolve().as_uri()}#{state}"
    done = subprocess.run([CHROMIUM, *FLAGS, address], capture_output=True, text=True, check=False, timeout=300)
    assert not re.search(r"(ERROR|WARNING):CONSOLE|Uncaught|Refused to", done.stderr), done.stderr
    body = re.search(r"<body([^>]*)>", done.stdout)
    assert body is not None
    return dict(re.findall(r'data-(\w+)="([^"]*)"', body[1]))


@pytest.fixture(scope="module")
def out(packed: Packed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pages")
    scan = HeadWriter(root / "raw")("sub-p1_ses-2", move=MOVE, lesion=True).image
    predict(scan, "--model", packed.model, "--out", root / "out", "--threshold", "p98", pages=True)
    return root / "out"


@pytest.mark.parametrize("state", ["rule=p90&lesion=2", "stop=70"])
def test_the_slider_gives_the_mask_and_the_millilitres_of_python(out: Path, state: str) -> None:
    shown = browse(out / "sub-p1_ses-2.html", state)
    anomaly, mask = (nib.load(next(out.rglob(f"*{end}.nii.gz"))) for end in ("anomaly", "mask"))
    page = (out / "sub-p1_ses-2.html").read_text()
    blocks = dict(re.findall(r'id="(stops|volume-map)">(.*?)</script>', page))
    stops, stop, voxels = json.loads(blocks["stops"]), int(shown["stop"]), int(shown["voxels"])
    by_level = nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(blocks["volume-map"])))
    assert voxels == np.count_nonzero(np.asarray(by_level.dataobj) > stop)
    assert float(shown["ml"]) == pytest.approx(voxels * 0.064)
    value = np.float32(stops["values"][stop])
    assert voxels <= np.count_nonzero(np.asarray(anomaly.dataobj) >= value)  # the mask leaves the rim out
    own = stops["rules"].index("p98")
    assert np.count_nonzero(np.asarray(by_level.dataobj) > own) == np.count_nonzero(np.asarray(mask.dataobj))
    if "rule" in state:
        assert (stops["rules"][stop], shown["lesion"]) == ("p90", "2")
        table = pd.read_csv(out / "lesions.tsv", sep="\t").loc[1, ["x_mm", "y_mm", "z_mm"]].to_numpy(float)
        np.testing.assert_allclose(np.array(shown["place"].split(","), float), table, atol=2.1)  # half a voxel
    else:
        assert stop == 70


def test_levels_give_the_mask_of_every_stop() -> None:
    rng = np.random.default_rng(0)
    scores, support = rng.gamma(2, 1, (9, 8, 7)).astype(np.float32), rng.random((9, 8, 7)) < 0.8
    native = NativeScores(scores, support, Grid((9, 8, 7), np.eye(4)), np.eye(4))
    found = levels(
        native, [Threshold("p95", 4.5), Threshold("val_op", float(scores[3, 3, 3])), Threshold("high", 99.0)]
    )
    for stop, (value, voxels) in enumerate(zip(found.stops, found.voxels, strict=True)):
        mask = support & (scores >= np.float32(value))
        np.testing.assert_array_equal(found.map > stop, mask)
        assert voxels == mask.sum()
    assert {rule for rule in found.rules if rule} == {"p95", "val_op", "high"}


def test_pages_ask_for_nothing_from_elsewhere_and_escape_what_they_show(out: Path, tmp_path: Path) -> None:
    attack = "<script>alert(1)</script>\"'>"
    row = dict.fromkeys(
        ("verdict", "drift", "seen_by_model", "volume_ml", "percentile_among_normals", "lesions", "dice")
    )
    row |= {
        "largest_lesion_ml": None,
        "p_value": None,
        "peak": None,
        "id": "sub-1",
        "state": "failed",
        "reason": attack,
    }
    page = write_cohort_page(tmp_path, [row], attack, simulated=True).read_text()
    assert "alert(1)</script>" not in page
    for text in (page, (out / "sub-p1_ses-2.html").read_text(), (out / "index.html").read_text()):
        assert "default-src 'none'" in text
        assert not re.search(r"""(src|href)=["']?(https?:|//)""", text)
    assert 'href="sub-p1_ses-2.html"' in (out / "index.html").read_text()
