"""Lists that several verbs take: what is not made of names or numbers, or names one twice, is refused at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lesionless.demo import demo
from lesionless.options import names, numbers
from pipeline.errors import PipelineError


def test_lists_keep_their_order() -> None:
    assert names("vae,amcons") == ["vae", "amcons"]
    assert numbers("2,0,1") == [2, 0, 1]


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (names, "vae,amcons,vae", "--methods names 'vae' 2 times; once is enough"),
        (numbers, "0,1,00", "--seeds names '0' 2 times; once is enough"),
        (numbers, "0,one", "--seeds are whole numbers separated by commas, got 'one'"),
        (numbers, "0,", "--seeds are whole numbers separated by commas, got ''"),
    ],
)
def test_a_list_that_says_something_twice_or_nothing_is_refused(
    read: Callable[[str], list], text: str, message: str
) -> None:
    with pytest.raises(PipelineError, match=message):
        read(text)


def test_the_demo_predicts_with_one_of_its_methods_or_begins_nothing(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    with pytest.raises(PipelineError, match="unknown method of --predict-with 'painted_lesions'; available: vae"):
        demo(out, methods="vae", quiet=True)
    assert not out.exists()
