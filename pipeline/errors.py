"""The one error that a user of the pipeline can cause, its commonest cause, and how the command line shows it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType, TracebackType
from typing import TypeVar

Mistake = TypeVar("Mistake", bound=Exception)


class PipelineError(ValueError):
    """A user's mistake: the message gives the rule, the value found and the choices, in one line."""

    def __str__(self) -> str:
        """The message, in which a name of a file can neither break the line nor command the terminal."""
        return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in super().__str__())


def check_choice(name: str, value: object, choices: Iterable[object]) -> None:
    """Raise PipelineError, with the choices, for a value that is not among them."""
    known = list(choices)
    if value not in known:
        raise PipelineError(f"unknown {name} '{value}'; available: {', '.join(map(str, known))}")


@contextmanager
def unwrapped() -> Iterator[None]:
    """Raise a PipelineError itself where MONAI wrapped it in a RuntimeError."""
    try:
        yield
    except RuntimeError as error:
        cause = cause_of(error)
        if cause is None:
            raise
        raise cause from None


def cause_of(error: BaseException | None) -> PipelineError | None:
    """The PipelineError that an error is or was raised from, None where there is none."""
    return _cause(error, PipelineError)


def _cause(error: BaseException | None, kind: type[Mistake]) -> Mistake | None:
    while error is not None and not isinstance(error, kind):
        error = error.__cause__
    return error


def is_monai(main: ModuleType) -> bool:
    """Whether `main` is the command `python -m monai.bundle`."""
    return str(getattr(main, "__package__", "")).startswith("monai")


def root_of(error: BaseException) -> BaseException:
    """The error that others were raised from; MONAI wraps one around every object that it makes."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def in_a_line(error: BaseException) -> str:
    """The kind of an error and what it says, without line breaks."""
    return f"{type(error).__name__}: {' '.join(str(error).split()) or 'it says nothing'}"


def report_in_one_line(main: ModuleType, kind: type[Exception] = PipelineError) -> None:
    """Show a user's mistake without traceback when `main` is the command `python -m monai.bundle`; exit status 1."""
    if not is_monai(main):
        return

    def excepthook(raised: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        mistake = cause_of(error) or _cause(error, kind)
        if mistake is not None:
            sys.stderr.write(f"error: {mistake}\n")
        else:
            sys.__excepthook__(raised, error, trace)

    sys.excepthook = excepthook
