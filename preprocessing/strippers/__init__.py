"""Skull strippers: one small class a tool behind the protocol of `preprocessing.strippers.skull_strip`."""

from preprocessing.strippers.atlas import AtlasMask
from preprocessing.strippers.background import NoStripper
from preprocessing.strippers.ct import CtStripper
from preprocessing.strippers.deepbet import Deepbet
from preprocessing.strippers.given import GivenMask
from preprocessing.strippers.hdbet import HdBet
from preprocessing.strippers.robex import Robex
from preprocessing.strippers.synthstrip import SynthStrip

__all__ = ["AtlasMask", "CtStripper", "Deepbet", "GivenMask", "HdBet", "NoStripper", "Robex", "SynthStrip"]
