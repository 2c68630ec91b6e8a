"""AMCons over 300 epochs beside the floors: average precision on the validation part, epoch by epoch."""

from __future__ import annotations

from typing import Any

import pandas as pd

from gpu_parts.bench import Bench, OutOfTime, workflow
from pipeline.leaderboard import run_leaderboard

FLOORS = ("intensity", "histeq")
SHOWN = (0, 1, 2, 5, 10, 20, 50, 100, 150, 200, 250, 300)


def measure(bench: Bench) -> None:
    """The floors first; then as many epochs as there is time for, each of which leaves its row."""
    dataset, runs = bench.dataset or bench.sample, bench.work / "epochs"
    options: dict[str, Any] = {"evaluated_split": "validation", "device": f"$torch.device('{bench.device}')"}
    floors = run_leaderboard(list(FLOORS), dataset, runs, **options)
    table = f"Average precision on the validation part, {bench.dataset or 'simulated discs'}"
    for _, row in floors.iterrows():
        bench.add(table, what=f"floor: {row['method']}", epoch=None, AP=round(row["auprc"], 4))
    given = {"presets": "follow_maps", "dataset_dir": str(dataset), "runs_dir": str(runs)}
    flow = workflow(bench, bench.device, "amcons", **given, max_epochs=bench.full(300, 2))
    try:
        flow.run()
    except OutOfTime:
        bench.left_out.append("amcons: not all 300 epochs; the table ends where the time was over")
    finally:
        add_curve(bench, table, pd.read_csv(runs / "amcons" / "seed-0" / "attention.csv"))


def add_curve(bench: Bench, table: str, figures: pd.DataFrame) -> None:
    """AP of the map that AMCons is scored by, of the first stage, at some epochs and at the last one."""
    first = figures[figures["stage"] == 1].set_index("epoch")["auprc"]
    for epoch in sorted({*SHOWN, first.index.max()} & set(first.index)):
        bench.add(table, what="amcons", epoch=int(epoch), AP=round(first[epoch], 4))
