"""The prepared dataset: manifest, splits, arrays of slices, BIDS derivatives."""
