"""A threshold knows its rule, its value and the data it came from, and is saved with the model."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from pipeline.documents import check_kinds, read_document
from pipeline.errors import PipelineError
from pipeline.files import write_text

KINDS = {"rule": str, "value": float, "source?": str, "n_subjects?": int, "support?": str, "parameters?": {str: float}}


@dataclass(frozen=True)
class Threshold:
    """Masks are `score >= value`.

    Args:
        rule: its name, and that of the table's columns (`val_op`, `p95`, `oracle`, …).
        value: a bin edge, so that counts and maps give the same figures.
        source: where it was learnt, with the sha256 of that histogram.
        n_subjects: number of subjects that it was learnt from.
        support: which pixels were looked at.
        parameters: what the rule was given.

    Example:
        >>> threshold = Threshold("p95", 0.75, source="normals", n_subjects=10, parameters={"q": 95.0})
        >>> threshold.value <= 0.8  # a pixel of score 0.8 is in the mask
        True
    """

    rule: str
    value: float
    source: str = "given"
    n_subjects: int = 0
    support: str = "brain"
    parameters: dict[str, float] = field(default_factory=dict)


def save_thresholds(path: str | os.PathLike[str], thresholds: Iterable[Threshold]) -> Path:
    """Write thresholds as JSON by atomic rename.

    Args:
        path: of the file.
        thresholds: of any rules.

    Returns:
        The path.

    Example:
        >>> import tempfile
        >>> from pipeline.metrics import fixed
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = save_thresholds(Path(folder) / "thresholds.json", [fixed(0.5)])
        ...     load_thresholds(path)[0].value
        0.5
    """
    path = Path(path)
    text = json.dumps([asdict(threshold) for threshold in thresholds], indent=2, ensure_ascii=False)
    write_text(path, text + "\n")
    return path


def load_thresholds(path: str | os.PathLike[str]) -> list[Threshold]:
    """Read the thresholds that `save_thresholds` wrote.

    Args:
        path: of the file.

    Raises:
        FileNotFoundError: there is no such file.
        PipelineError: the file holds something else.

    Example:
        >>> import tempfile
        >>> from pipeline.metrics import fixed
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = save_thresholds(Path(folder) / "thresholds.json", [fixed(0.5), fixed(0.25)])
        ...     [threshold.rule for threshold in load_thresholds(path)]
        ['0.5', '0.25']
    """
    names = [item.name for item in fields(Threshold)]
    try:
        entries = read_document(Path(path))
        check_kinds(entries, [KINDS], str(path))
        return [Threshold(**{**entry, "value": float(entry["value"])}) for entry in entries]
    except (TypeError, PipelineError) as error:
        rule = f"{path} is not a list of thresholds with {', '.join(names)}"
        raise PipelineError(f"{rule}: {' '.join(str(error).split())}") from error
