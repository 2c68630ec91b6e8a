"""What the strings of a configuration refer to: `@noun`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monai.bundle import ReferenceResolver


def references(values: Any) -> list[str]:
    """Ids that strings anywhere in `values` refer to, `loss` of `@loss`."""
    return list(dict.fromkeys(key for text in strings(values) for key in ReferenceResolver.match_refs_pattern(text)))


def nouns(values: Any) -> list[str]:
    """The top-level keys that strings anywhere in `values` refer to."""
    return [key.partition(ReferenceResolver.sep)[0] for key in references(values)]


def strings(value: Any) -> Iterator[str]:
    """All strings inside nested mappings and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)
