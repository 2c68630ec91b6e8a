"""The methods: one folder a method over the shared `base`. `ROOT` is where they are installed."""

from pathlib import Path

ROOT = Path(__file__).parent
