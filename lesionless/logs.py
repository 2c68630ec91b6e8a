"""What the commands say while they work: lines on stderr, fewer with `--quiet`, more with `--verbose`."""

from __future__ import annotations

import logging
import sys

ROOMS = ("lesionless", "pipeline", "preprocessing")


def say(quiet: bool = False, verbose: bool = False) -> None:
    """Send the lines of all three packages to stderr; `quiet` leaves warnings alone, `verbose` adds every scan."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    level = logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO
    for room in ROOMS:
        logger = logging.getLogger(room)
        logger.setLevel(level)
        logger.handlers, logger.propagate = [handler], False
