"""`docs/README.md` of an exported bundle: the method's card, and what was measured of this model."""

from __future__ import annotations

from typing import Any

import bundles
from pipeline.predict.model import Model

USE = """## Use

The input is a prepared scan, in the space of the atlas SRI-24 (`lesionless predict` writes them into `prepared/`).
The map has the input's grid, and 0 outside the brain.

```
python -m monai.bundle run --config_file configs/inference.yaml --dataset_dir IMAGES --output_dir MAPS
python -m monai.bundle run --config_file configs/train.yaml --dataset_dir DATASET
python -m monai.bundle run --config_file "['configs/train.yaml','configs/evaluate.yaml']" --dataset_dir DATASET
```

The commands run in the folder of the bundle. The first needs {first}; the others need lesionless {release}.
A raw scan: `lesionless predict SCAN --model models --out DIR`, or the first command with
`--config_file "['configs/inference.yaml','configs/inference_raw.yaml']"`, where there is such a file.
"""


def model_card(model: Model, facts: dict[str, Any], missing: dict[str, str]) -> str:
    """Markdown.

    Args:
        facts: the content of metadata.json. missing: programs that the scorer does not have, and why.
    """
    release = model.facts["versions"]["lesionless"]
    first = "this package, too" if "model.ts" in missing else "MONAI, torch and nibabel alone"
    parts = [
        f"# {facts['name']}\n\n{facts['description']}\n\n{facts['intended_use']}\n",
        USE.format(first=first, release=facts["required_packages_version"]["lesionless"]),
        _measured(model, release),
        _programs(facts["programs"]),
        _limits(model.facts["method"]),
        "## References\n\n" + "".join(f"* {reference}\n" for reference in facts["references"]),
    ]
    return "\n".join(part for part in parts if part)


def _measured(model: Model, release: str) -> str:
    """What the row of the run says; nothing is filled in that was not measured."""
    row, facts = model.document("card.json"), model.facts
    simulated = "SIMULATED " if facts["simulated"] else ""
    lines = [
        "## Measured\n",
        f"Trained with lesionless {release} on {simulated}{facts['modality']} scans of {facts['trained_on']['name']} "
        f"({facts['trained_on']['hash'][:12]}). Thresholds come from held-out normals ({facts['normals']}) "
        f"and labelled patients ({facts['patients']}); the model's own is `{facts['threshold']}`.\n",
        "| figure | value |\n|---|---|",
    ]
    figures = {
        "average precision of voxels, 95 % interval over patients": _interval(row, "auprc"),
        "the best floor, and the difference to it": _floor(row),
        "mean average precision of scans, 95 % interval over patients": _interval(row, "scan_ap"),
        "Dice at the operating point": _number(row.get("dice@val_op")),
        **{key.removeprefix("card_").replace("_", " "): row[key] for key in sorted(row) if key.startswith("card_")},
    }
    lines += [f"| {name} | {_cell(value)} |" for name, value in figures.items() if value not in (None, "")]
    lines += [
        f"| threshold `{threshold.rule}` | {threshold.value:.4g} |"
        for cell in model.thresholds.values()
        for threshold in cell
    ]
    return "\n".join(lines) + "\n" if row else "## Measured\n\nThis model was not evaluated.\n"


def _number(value: Any) -> str | None:
    return None if value is None else f"{value:.3f}"


def _interval(row: dict[str, Any], figure: str) -> str | None:
    if row.get(figure) is None:
        return None
    low, high = row.get(f"{figure}_ci_low"), row.get(f"{figure}_ci_high")
    return f"{row[figure]:.3f}" + ("" if low is None or high is None else f" [{low:.3f}, {high:.3f}]")


def _floor(row: dict[str, Any]) -> str | None:
    if row.get("floor"):
        return "this is a floor"
    if row.get("ap_minus_floor") is None:
        return "not measured beside this run: `lesionless run` with the floors"
    return f"{row['best_floor']}, {row['ap_minus_floor']:+.3f}"


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _programs(programs: dict[str, str]) -> str:
    lines = "".join(f"| {name} | {_cell(found)} |\n" for name, found in programs.items())
    return "## Programs\n\n| file | where it is, or why there is none |\n|---|---|\n" + lines


def _limits(method: str) -> str:
    path = bundles.ROOT / method / "docs" / "README.md"
    text = path.read_text("utf-8") if path.is_file() else ""
    return "## Limits" + text.partition("\n## Limits")[2].partition("\n## ")[0] if "\n## Limits" in text else ""
