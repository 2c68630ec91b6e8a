"""Which GPU a job takes, on a machine with several."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch


@contextmanager
def one_gpu() -> Iterator[int | None]:
    """Make a GPU the current one that no other job of this user on this machine holds; the system lets go of it.

    Where all are held, it is the one with the most free memory. With one GPU or none there is nothing to choose: None.
    `CUDA_VISIBLE_DEVICES` says which there are.
    """
    count = torch.cuda.device_count()
    if count < 2:
        yield None
        return
    with ExitStack() as held:
        free = (index for index in range(count) if _hold(index, held))
        chosen = next(free, None)
        if chosen is None:
            chosen = max(range(count), key=lambda index: torch.cuda.mem_get_info(index)[0])
        torch.cuda.set_device(chosen)
        yield chosen


def _hold(index: int, held: ExitStack) -> bool:
    """Whether the GPU of that index is now held until `held` ends."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    name = visible[index].strip() if index < len(visible) and visible[0] else str(index)
    path = Path(tempfile.gettempdir()) / f"lesionless-{os.getuid()}-gpu-{name}.lock"
    stream = path.open("a")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.close()
        return False
    held.enter_context(stream)
    return True
