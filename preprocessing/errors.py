"""The errors that a user of preprocessing can cause, each one line."""

from __future__ import annotations


class PreprocessingError(ValueError):
    """A user's mistake or a scan that cannot be used: one line with the file, the rule and the value."""

    def __str__(self) -> str:
        """The message, in which a name of a file can neither break the line nor command the terminal."""
        return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in super().__str__())


class OutputError(PreprocessingError):
    """The folder of the data set cannot be written: no scan could be prepared, so the run stops."""


def reason(error: BaseException) -> str:
    """One line: the message of the PreprocessingError behind `error`, or the kind and message of the first cause."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, PreprocessingError):
            return str(cause)
        error, cause = cause, cause.__cause__
    return " ".join(f"unexpected {type(error).__name__}: {error}".split())
