"""Numbers with their nouns, as the commands say them."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """A number and what is counted.

    >>> counted(1, "scan"), counted(0, "scan"), counted(2, "scan")
    ('1 scan', '0 scans', '2 scans')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
