"""The fixtures of this folder."""

import pytest
from synthetic_atlas import coarse_atlas, coarse_config, head, quick_config, use_coarse_atlas

from preprocessing.space.atlas import ensure_atlas

__all__ = ["coarse_atlas", "coarse_config", "head", "quick_config", "use_coarse_atlas"]


@pytest.fixture(autouse=True)
def _atlas_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undoes what `packed` of tests/lesionless leaves for a whole process; before `use_coarse_atlas`."""
    monkeypatch.setattr("preprocessing.space.atlas.ensure_atlas", ensure_atlas)
