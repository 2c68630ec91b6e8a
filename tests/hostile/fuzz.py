"""All properties on new inputs for a time: `FUZZ_MINUTES=20 make fuzz`; exit status 1 for any failure."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
# the packages before the tests of the same names, as pytest has them
sys.path[:0] = [str(HERE.parents[1]), str(HERE), str(HERE.parent), str(HERE.parent / "preprocessing")]

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings  # noqa: E402
from outcome import SilentChange, seen  # noqa: E402

MINUTES = float(os.environ.get("FUZZ_MINUTES", "20"))
BLOCK = 200  # inputs of a property before it is the turn of the next one
SHOWN = 3


def properties() -> list[Callable[[], None]]:
    """The tests of this folder that Hypothesis gives inputs to."""
    settings.register_profile(
        "fuzz",
        max_examples=BLOCK,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.normal,
    )
    settings.load_profile("fuzz")
    modules = [importlib.import_module(path.stem) for path in sorted(HERE.glob("test_*.py"))]
    tests = [value for module in modules for value in vars(module).values() if hasattr(value, "hypothesis")]
    return [test for test in tests if "fixture" not in test.__name__]


def main() -> int:
    logging.getLogger("nibabel").setLevel(logging.ERROR)
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", message=".torch.jit.[a-z]+. is deprecated")
    found: dict[str, str] = {}
    kinds: Counter[str] = Counter()
    tests, begin, turn = properties(), time.monotonic(), 0
    while time.monotonic() - begin < 60 * MINUTES:
        test = tests[turn % len(tests)]
        number = int.from_bytes(os.urandom(4), "big")
        try:
            seed(number)(test)()
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            name = f"{test.__name__}: {type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
            if name not in found:
                kinds["silent changes" if isinstance(error, SilentChange) else "crashes"] += 1
                found[name] = "".join(traceback.format_exception(error))
        turn += 1
    for name, text in found.items():
        sys.stdout.write(f"\n== {name}\n{text[-4000:]}\n")
    inputs = sum(seen.values())
    sys.stdout.write(
        f"{len(tests)} properties, {turn} rounds, {(time.monotonic() - begin) / 60:.1f} min, inputs read: {inputs} "
        f"({seen['taken']} taken right, {seen['refused by name']} refused by name), "
        f"crashes: {kinds['crashes']}, silent changes: {kinds['silent changes']}\n"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
