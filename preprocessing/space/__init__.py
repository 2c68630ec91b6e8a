"""Affines, grids, the atlas, registration and resampling."""
