"""HD-BET 2 through nnU-Net."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from preprocessing.errors import PreprocessingError
from preprocessing.space.grid import Volume
from preprocessing.strippers.tools import SPACING_MM, require, restore, upper_head


class HdBet:
    """HD-BET (Isensee et al. 2019, Hum Brain Mapp), version 2, on T1, T2 and FLAIR with or without lesions.

    The package fetches its weights (Zenodo 14445620) into `~/hd-bet_params` the first time.

    Args:
        device: of PyTorch; minutes a scan on `cpu`.
        mirror: average over mirrored images, eight times as slow.
    """

    def __init__(self, device: str = "cpu", mirror: bool = False) -> None:
        self.device = device
        self.mirror = mirror

    @cached_property
    def _predictor(self) -> Any:
        import torch

        download = require("HD_BET.checkpoint_download", "lesionless[hdbet]")
        prediction = require("HD_BET.hd_bet_prediction", "lesionless[hdbet]")
        try:
            download.maybe_download_parameters()
        except OSError as error:  # requests' errors are OSErrors too
            raise PreprocessingError(f"the weights of HD-BET cannot be fetched ({error})") from error
        return prediction.get_hdbet_predictor(use_tta=self.mirror, device=torch.device(self.device))

    def __call__(self, image: np.ndarray, affine: np.ndarray, given: np.ndarray | None) -> np.ndarray:
        predictor = self._predictor
        head = upper_head(image, affine)
        # nnU-Net reads arrays as SimpleITK gives them: channel, then z, y, x, and the spacing in the same order
        array = head.array.transpose(2, 1, 0)[None]
        found = predictor.predict_single_npy_array(array, {"spacing": [SPACING_MM] * 3}, None, None, False)
        return restore(Volume(np.asarray(found).transpose(2, 1, 0) > 0, head.affine), affine, image.shape)
