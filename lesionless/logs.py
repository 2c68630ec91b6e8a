"""What the commands say while they work: lines on stderr, fewer with `--quiet`, more with `--verbose`."""

from __future__ import annotations

import logging


def say(quiet: bool = False, verbose: bool = False) -> None:
    """Send the lines of all three packages to stderr; `quiet` leaves warnings alone, `verbose` adds every scan."""
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    for room in ("lesionless", "pipeline", "preprocessing"):
        logging.getLogger(room).setLevel(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)
