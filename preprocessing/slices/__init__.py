"""Two-dimensional sets as they are distributed: a folder of images and masks to a prepared data set."""

from preprocessing.slices.layouts import LAYOUTS
from preprocessing.slices.prepare import prepare_slices

__all__ = ["LAYOUTS", "prepare_slices"]
