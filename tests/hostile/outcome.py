"""Every hostile input ends in one of two ways: taken right, or refused by name. Anything else is a failure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from pipeline.errors import PipelineError
from preprocessing.errors import PreprocessingError

OURS = (PipelineError, PreprocessingError)
Result = TypeVar("Result")
seen: Counter[str] = Counter()


class SilentChange(AssertionError):
    """An input was taken, and what came out is not what it says."""


def taken(read: Callable[[], Result], *named: str) -> Result | None:
    """What `read` gives; None: it refused, in one line that has all of `named`.

    Args:
        read: reads the hostile input; an exception of another kind than ours passes, and is a crash.
        named: parts of the message, such as the name of the file.
    """
    try:
        result = read()
    except OURS as error:
        text = str(error)
        assert text.isprintable() and all(part in text for part in named), f"no name or several lines: {text!r}"
        seen["refused by name"] += 1
        return None
    seen["taken"] += 1
    return result


def same(right: object, what: str) -> None:
    """Raise SilentChange unless `right`."""
    if not right:
        raise SilentChange(what)
