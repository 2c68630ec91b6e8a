"""How many inputs the properties are tried on: few and always the same in the suite, many and new ones by `fuzz.py`."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "suite",
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("suite")

sys.path.insert(0, str(Path(__file__).parents[1] / "preprocessing"))
