"""The mask that came with the scan."""

from __future__ import annotations

import numpy as np

from preprocessing.errors import PreprocessingError


class GivenMask:
    """The mask that came with the scan."""

    def __call__(self, image: np.ndarray, affine: np.ndarray, given: np.ndarray | None) -> np.ndarray:
        if given is None:
            raise PreprocessingError("no brain mask is given; name one or use another skull stripper")
        return given
